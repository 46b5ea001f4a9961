import fc from 'fast-check';
import {
  PRESENTATION_CONTEXT_RESULTS,
  type AbortPdu,
  type AssociateAcPdu,
  type AssociateRjPdu,
  type AssociateRqPdu,
  type Pdu,
  type PDataTfPdu,
  type Pdv,
  type RejectResult,
  type UserInformation,
} from '../../src/dimse/upper-layer/pdu.js';

const PRINTABLE = Array.from({ length: 0x7f - 0x20 }, (_, index) => String.fromCharCode(0x20 + index));
/** ISO 646 basic G0 without the backslash (PS3.5 6.2, AE). */
const AE_CHARACTERS = PRINTABLE.filter((character) => character !== '\\');

/** 1 to 16 characters, as the standard has them once the insignificant spaces at both ends are taken off. */
export const aeTitles: fc.Arbitrary<string> = fc
  .string({ unit: fc.constantFrom(...AE_CHARACTERS), minLength: 1, maxLength: 16, size: 'max' })
  .map((title) => title.trim())
  .filter((title) => title.length > 0);

/** The longest UID there can be. */
export const LONGEST_UID = `1.2.840.${'9'.repeat(56)}`;

/** PS3.5 9.1: components without leading zeros, at most 64 characters. */
export const uids: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .array(
        fc.oneof(
          fc.constant('0'),
          fc.bigInt({ min: 1n, max: 10n ** 20n }).map((component) => component.toString()),
        ),
        { minLength: 2, maxLength: 12, size: 'max' },
      )
      .map((components) => components.join('.').slice(0, 64).replace(/\.$/, '')),
  },
  { weight: 1, arbitrary: fc.constant(LONGEST_UID) },
);

const contextIds = fc.integer({ min: 0, max: 127 }).map((n) => 2 * n + 1);

const versionNames = fc
  .string({ unit: fc.constantFrom(...PRINTABLE), minLength: 1, maxLength: 16, size: 'max' })
  .map((name) => name.trim())
  .filter((name) => name.length > 0);

const uint16s = fc.integer({ min: 0, max: 0xffff });

const userInformations: fc.Arbitrary<UserInformation> = fc
  .record({
    maximumLength: fc.integer({ min: 0, max: 0xffffffff }),
    implementationClassUid: uids,
    roleSelections: fc.array(
      fc.record({ sopClassUid: uids, scu: fc.boolean(), scp: fc.boolean() }, { noNullPrototype: true }),
      { maxLength: 20 },
    ),
    version: fc.option(versionNames, { nil: undefined }),
    window: fc.option(fc.record({ invoked: uint16s, performed: uint16s }, { noNullPrototype: true }), {
      nil: undefined,
    }),
  })
  .map(({ version, window, ...always }) => ({
    ...always,
    ...(version === undefined ? {} : { implementationVersionName: version }),
    ...(window === undefined ? {} : { asynchronousOperationsWindow: window }),
  }));

const UP_TO_128 = { maxLength: 128, size: 'max' } as const;

export const associateRqs: fc.Arbitrary<AssociateRqPdu> = fc.record(
  {
    type: fc.constant('A-ASSOCIATE-RQ'),
    calledAeTitle: aeTitles,
    callingAeTitle: aeTitles,
    applicationContextName: uids,
    presentationContexts: fc.uniqueArray(
      fc.record(
        { id: contextIds, abstractSyntax: uids, transferSyntaxes: fc.array(uids, { maxLength: 4 }) },
        { noNullPrototype: true },
      ),
      { ...UP_TO_128, selector: ({ id }) => id },
    ),
    userInformation: userInformations,
  },
  { noNullPrototype: true },
);

export const associateAcs: fc.Arbitrary<AssociateAcPdu> = fc.record(
  {
    type: fc.constant('A-ASSOCIATE-AC'),
    calledAeTitle: aeTitles,
    callingAeTitle: aeTitles,
    applicationContextName: uids,
    presentationContexts: fc.uniqueArray(
      fc.record(
        {
          id: contextIds,
          result: fc.constantFrom(...PRESENTATION_CONTEXT_RESULTS),
          transferSyntax: fc.oneof(uids, fc.constant('')),
        },
        { noNullPrototype: true },
      ),
      { ...UP_TO_128, selector: ({ id }) => id },
    ),
    userInformation: userInformations,
  },
  { noNullPrototype: true },
);

const RESULTS: readonly RejectResult[] = ['rejected-permanent', 'rejected-transient'];

export const ALL_REJECTIONS: readonly AssociateRjPdu[] = RESULTS.flatMap((result): AssociateRjPdu[] => {
  const rj = { type: 'A-ASSOCIATE-RJ', result } as const;
  return [
    { ...rj, source: 'service-user', reason: 'no reason given' },
    { ...rj, source: 'service-user', reason: 'application context name not supported' },
    { ...rj, source: 'service-user', reason: 'calling AE title not recognized' },
    { ...rj, source: 'service-user', reason: 'called AE title not recognized' },
    { ...rj, source: 'service-user', reason: 'reserved' },
    { ...rj, source: 'service-provider (ACSE)', reason: 'no reason given' },
    { ...rj, source: 'service-provider (ACSE)', reason: 'protocol version not supported' },
    { ...rj, source: 'service-provider (ACSE)', reason: 'reserved' },
    { ...rj, source: 'service-provider (presentation)', reason: 'temporary congestion' },
    { ...rj, source: 'service-provider (presentation)', reason: 'local limit exceeded' },
    { ...rj, source: 'service-provider (presentation)', reason: 'reserved' },
  ];
});

export const ALL_ABORTS: readonly AbortPdu[] = [
  { type: 'A-ABORT', source: 'service-user', reason: 'not significant' },
  { type: 'A-ABORT', source: 'service-provider', reason: 'reason not specified' },
  { type: 'A-ABORT', source: 'service-provider', reason: 'unrecognized PDU' },
  { type: 'A-ABORT', source: 'service-provider', reason: 'unexpected PDU' },
  { type: 'A-ABORT', source: 'service-provider', reason: 'reserved' },
  { type: 'A-ABORT', source: 'service-provider', reason: 'unrecognized PDU parameter' },
  { type: 'A-ABORT', source: 'service-provider', reason: 'unexpected PDU parameter' },
  { type: 'A-ABORT', source: 'service-provider', reason: 'invalid PDU parameter value' },
];

export const pdvs: fc.Arbitrary<Pdv> = fc.record(
  {
    presentationContextId: contextIds,
    isCommand: fc.boolean(),
    isLast: fc.boolean(),
    data: fc.uint8Array({ maxLength: 300, size: 'max' }).map((bytes) => Buffer.from(bytes)),
  },
  { noNullPrototype: true },
);

export const pDataTfs: fc.Arbitrary<PDataTfPdu> = fc.record(
  { type: fc.constant('P-DATA-TF'), pdvs: fc.array(pdvs, { minLength: 1, maxLength: 6 }) },
  { noNullPrototype: true },
);

export const anyPdus: fc.Arbitrary<Pdu> = fc.oneof(
  associateRqs,
  associateAcs,
  fc.constantFrom(...ALL_REJECTIONS),
  fc.constantFrom<Pdu>({ type: 'A-RELEASE-RQ' }, { type: 'A-RELEASE-RP' }),
  fc.constantFrom(...ALL_ABORTS),
  pDataTfs,
);

/** PDUs of moderate size, for the tests that read one wire in many ways. */
export const shortPdus: fc.Arbitrary<Pdu> = fc.oneof(
  associateRqs.map((pdu) => ({ ...pdu, presentationContexts: pdu.presentationContexts.slice(0, 2) })),
  fc.constantFrom(...ALL_REJECTIONS),
  fc.constantFrom<Pdu>({ type: 'A-RELEASE-RQ' }, { type: 'A-RELEASE-RP' }),
  fc.constantFrom(...ALL_ABORTS),
  pDataTfs,
  pDataTfs,
);
