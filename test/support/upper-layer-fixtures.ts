import type { AssociateAcPdu, AssociateRqPdu, PDataTfPdu } from '../../src/dimse/upper-layer/pdu.js';
import { hexBytes } from './upper-layer-bytes.js';

/** One PDU as bytes laid out by hand from PS3.8 9.3 and PS3.7 D.3.3, and what it means. */
export interface PduFixture<P> {
  readonly wire: Buffer;
  readonly pdu: P;
}

/** Two contexts, an asynchronous operations window, a role selection. */
export const ASSOCIATE_RQ: PduFixture<AssociateRqPdu> = {
  wire: hexBytes(`
    01 00 00 00 01 2c                                    # A-ASSOCIATE-RQ, reserved, length 300
    00 01 00 00                                          # protocol version 1, reserved
    41 52 43 48 49 56 45 20 20 20 20 20 20 20 20 20      # called AE title  "ARCHIVE         "
    50 49 58 4c 20 20 20 20 20 20 20 20 20 20 20 20      # calling AE title "PIXL            "
    00000000 00000000 00000000 00000000                  # reserved, 32 bytes
    00000000 00000000 00000000 00000000
    10 00 00 15                                          # application context, length 21
      31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e          #   1.2.840.10008.
      33 2e 31 2e 31 2e 31                               #   3.1.1.1
    20 00 00 2e                                          # presentation context, length 46
      01 00 00 00                                        #   ID 1, reserved
      30 00 00 11                                        #   abstract syntax, length 17
        31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e        #     1.2.840.10008.
        31 2e 31                                         #     1.1 (Verification)
      40 00 00 11                                        #   transfer syntax, length 17
        31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e        #     1.2.840.10008.
        31 2e 32                                         #     1.2 (Implicit VR Little Endian)
    20 00 00 4d                                          # presentation context, length 77
      03 00 00 00                                        #   ID 3, reserved
      30 00 00 19                                        #   abstract syntax, length 25
        31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e        #     1.2.840.10008.
        35 2e 31 2e 34 2e 31 2e 31 2e 32                 #     5.1.4.1.1.2 (CT Image Storage)
      40 00 00 13                                        #   transfer syntax, length 19
        31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e        #     1.2.840.10008.
        31 2e 32 2e 31                                   #     1.2.1 (Explicit VR Little Endian)
      40 00 00 11                                        #   transfer syntax, length 17
        31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e        #     1.2.840.10008.
        31 2e 32                                         #     1.2 (Implicit VR Little Endian)
    50 00 00 48                                          # user information, length 72
      51 00 00 04  00 00 40 00                           #   maximum length 16384
      52 00 00 07  31 2e 32 2e 33 2e 34                  #   implementation class UID 1.2.3.4
      53 00 00 04  00 08 00 05                           #   asynchronous operations: 8 invoked, 5 performed
      54 00 00 1d                                        #   role selection, length 29
        00 19                                            #     UID length 25
        31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e        #     1.2.840.10008.
        35 2e 31 2e 34 2e 31 2e 31 2e 32                 #     5.1.4.1.1.2
        00 01                                            #     not SCU, SCP
      55 00 00 08  50 49 58 4c 5f 30 31 30               #   implementation version name "PIXL_010"
  `),
  pdu: {
    type: 'A-ASSOCIATE-RQ',
    calledAeTitle: 'ARCHIVE',
    callingAeTitle: 'PIXL',
    applicationContextName: '1.2.840.10008.3.1.1.1',
    presentationContexts: [
      { id: 1, abstractSyntax: '1.2.840.10008.1.1', transferSyntaxes: ['1.2.840.10008.1.2'] },
      {
        id: 3,
        abstractSyntax: '1.2.840.10008.5.1.4.1.1.2',
        transferSyntaxes: ['1.2.840.10008.1.2.1', '1.2.840.10008.1.2'],
      },
    ],
    userInformation: {
      maximumLength: 16384,
      implementationClassUid: '1.2.3.4',
      implementationVersionName: 'PIXL_010',
      asynchronousOperationsWindow: { invoked: 8, performed: 5 },
      roleSelections: [{ sopClassUid: '1.2.840.10008.5.1.4.1.1.2', scu: false, scp: true }],
    },
  },
};

/** One context accepted, one not; neither window nor version name. */
export const ASSOCIATE_AC: PduFixture<AssociateAcPdu> = {
  wire: hexBytes(`
    02 00 00 00 00 be                                    # A-ASSOCIATE-AC, reserved, length 190
    00 01 00 00                                          # protocol version 1, reserved
    41 52 43 48 49 56 45 20 20 20 20 20 20 20 20 20      # called AE title, sent back  "ARCHIVE         "
    50 49 58 4c 20 20 20 20 20 20 20 20 20 20 20 20      # calling AE title, sent back "PIXL            "
    00000000 00000000 00000000 00000000                  # reserved, 32 bytes
    00000000 00000000 00000000 00000000
    10 00 00 15                                          # application context, length 21
      31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e          #   1.2.840.10008.
      33 2e 31 2e 31 2e 31                               #   3.1.1.1
    21 00 00 19                                          # presentation context, length 25
      01 00 00 00                                        #   ID 1, reserved, acceptance, reserved
      40 00 00 11                                        #   transfer syntax, length 17
        31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e        #     1.2.840.10008.
        31 2e 32                                         #     1.2 (Implicit VR Little Endian)
    21 00 00 08                                          # presentation context, length 8
      03 00 03 00                                        #   ID 3, reserved, abstract syntax not supported, reserved
      40 00 00 00                                        #   transfer syntax, not significant
    50 00 00 34                                          # user information, length 52
      51 00 00 04  00 02 00 00                           #   maximum length 131072
      52 00 00 07  31 2e 32 2e 33 2e 34                  #   implementation class UID 1.2.3.4
      54 00 00 1d                                        #   role selection, length 29
        00 19                                            #     UID length 25
        31 2e 32 2e 38 34 30 2e 31 30 30 30 38 2e        #     1.2.840.10008.
        35 2e 31 2e 34 2e 31 2e 31 2e 32                 #     5.1.4.1.1.2
        01 00                                            #     SCU, not SCP
  `),
  pdu: {
    type: 'A-ASSOCIATE-AC',
    calledAeTitle: 'ARCHIVE',
    callingAeTitle: 'PIXL',
    applicationContextName: '1.2.840.10008.3.1.1.1',
    presentationContexts: [
      { id: 1, result: 'acceptance', transferSyntax: '1.2.840.10008.1.2' },
      { id: 3, result: 'abstract-syntax-not-supported', transferSyntax: '' },
    ],
    userInformation: {
      maximumLength: 131072,
      implementationClassUid: '1.2.3.4',
      roleSelections: [{ sopClassUid: '1.2.840.10008.5.1.4.1.1.2', scu: true, scp: false }],
    },
  },
};

/** A command, the first fragment of a data set, its last fragment, which is empty. */
export const P_DATA_TF: PduFixture<PDataTfPdu> = {
  wire: hexBytes(`
    04 00 00 00 00 1b                                    # P-DATA-TF, reserved, length 27
    00 00 00 06                                          # PDV length 6
      01 03                                              #   context 1, command, last
      00 00 00 02                                        #   4 bytes
    00 00 00 07                                          # PDV length 7
      03 00                                              #   context 3, data set, more to come
      08 00 05 00 43                                     #   5 bytes
    00 00 00 02                                          # PDV length 2
      03 02                                              #   context 3, data set, last
  `),
  pdu: {
    type: 'P-DATA-TF',
    pdvs: [
      { presentationContextId: 1, isCommand: true, isLast: true, data: Buffer.from([0, 0, 0, 2]) },
      { presentationContextId: 3, isCommand: false, isLast: false, data: Buffer.from([8, 0, 5, 0, 0x43]) },
      { presentationContextId: 3, isCommand: false, isLast: true, data: Buffer.alloc(0) },
    ],
  },
};
