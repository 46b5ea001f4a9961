import { pause } from '../core/cancel.js';
import {
  cStoreAll,
  describeStatus,
  EXPLICIT_LITTLE_ENDIAN,
  findStudies,
  isStorageWarning,
  NoPresentationContextError,
  Status,
  type OutgoingInstance,
} from '../dimse/index.js';
import { listStudy } from '../pipeline/index.js';
import { canaryImage, type CanaryImage } from './canary-image.js';
import { sound, untold, wrong, type Check, type Finding } from './check.js';
import { echoCheckName, type ExaminedNode } from './node-checks.js';
import { aeTitleVariable, nodeMend } from './node-mends.js';

/** A store may de-identify what it holds a moment after it took it, and list it a moment after. */
const LOOKS = 6;
const BETWEEN_LOOKS_MS = 500;

/**
 * Does anon de-identify? It is given a made image, and asked for it by what identifies that: what gives it back as it was
 * would give a patient's image back just so, and no export would take it (docs/adr/0014-exports-fail-closed.md). This changes
 * something: what anon makes of the image stays there, and is said.
 */
export function deidentificationCheck(anon: ExaminedNode): Check {
  const { node, ours } = anon;
  return {
    name: `${node.name}: de-identification`,
    after: [echoCheckName(node), `${node.name}: storage`],
    run: async (signal) => {
      const canary = canaryImage();
      const status = await store(anon, canary, signal);
      if (status !== Status.Success && !isStorageWarning(status)) return refused(anon, status);
      try {
        return await lookedFor(anon, canary, signal);
      } catch (error) {
        if (!(error instanceof NoPresentationContextError)) throw error;
        return untold(
          `${node.aeTitle} took a made test image, and does not let us ask for it: whether it de-identifies can't be seen. ${left(canary)}`,
        );
      }
    },
    mendOf: nodeMend(node, ours, 'C-STORE and C-FIND'),
  };
}

async function store(
  { client, queryTimeoutMs }: ExaminedNode,
  { sopClassUid, sopInstanceUid, dataSet }: CanaryImage,
  signal: AbortSignal,
): Promise<number> {
  let answered: number = Status.CannotUnderstand;
  await client.withAssociation(
    [{ abstractSyntax: sopClassUid, transferSyntaxes: [EXPLICIT_LITTLE_ENDIAN] }],
    async (association) => {
      const context = association.requireContext(sopClassUid);
      const instances = async function* (): AsyncGenerator<OutgoingInstance, void, undefined> {
        yield { sopClassUid, sopInstanceUid, context, dataSet: pieces() };
        await Promise.resolve();
      };
      const pieces = async function* (): AsyncGenerator<Buffer, void, undefined> {
        yield dataSet;
        await Promise.resolve();
      };
      await cStoreAll(association, instances(), {
        silenceMs: queryTimeoutMs,
        earlyCommand: false,
        onResponse: (_instance, status) => (answered = status),
      });
    },
    signal,
  );
  return answered;
}

function refused({ node }: ExaminedNode, status: number): Finding {
  const detail = `${node.aeTitle} does not take a made test image: ${describeStatus('C-STORE', status)}`;
  // Too busy, or not allowed to us: that says nothing of what it does with images.
  if ((status & 0xff00) === 0xa700 || status === Status.NotAuthorized)
    return untold(`${detail}. Whether it de-identifies can't be seen`);
  return sound(`${detail}, as a store that de-identifies may. Nothing of it stays there`);
}

async function lookedFor(anon: ExaminedNode, canary: CanaryImage, signal: AbortSignal): Promise<Finding> {
  const { node } = anon;
  let [kept, absent] = [await identifiersKept(anon, canary, signal), 0];
  for (let look = 1; look < LOOKS && absent < 2; look += 1) {
    absent = kept.length === 0 ? absent + 1 : 0;
    await pause(BETWEEN_LOOKS_MS, signal, 'doctor');
    kept = await identifiersKept(anon, canary, signal);
  }
  if (kept.length === 0)
    return sound(
      `${node.aeTitle} took a made test image, and knows it neither by its UID nor by its Patient ID and accession number. ` +
        'What it made of the image stays there',
    );
  return wrong(
    `${node.aeTitle} gives a made test image back with ${kept.join(' and ')}: it does not de-identify. ${left(canary)}`,
    `have ${node.aeTitle} de-identify what is stored to it, or set ${aeTitleVariable(node.name)} and the variables beside it to a ` +
      'store that does; until then whatever it holds is a patient’s, and every export is refused',
  );
}

/** What of the image's identifiers anon answers to, in words. */
async function identifiersKept(
  { client, queryTimeoutMs }: ExaminedNode,
  { studyInstanceUid, patientId, accessionNumber }: CanaryImage,
  signal: AbortSignal,
): Promise<string[]> {
  const listed = await listStudy(client, studyInstanceUid, null, queryTimeoutMs, signal);
  const { matches } = await client.withQueryRetrieve(
    (association) => findStudies(association, { patientId, accessionNumber }, queryTimeoutMs),
    signal,
  );
  return [
    ...(listed.size > 0 ? ['its Study Instance UID'] : []),
    ...(matches.length > 0 ? ['its Patient ID and accession number'] : []),
  ];
}

function left({ studyInstanceUid, patientId }: CanaryImage): string {
  return `It stays there: Patient ID ${patientId}, Study Instance UID ${studyInstanceUid}`;
}
