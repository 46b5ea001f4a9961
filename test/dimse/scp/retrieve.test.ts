import { expect } from 'chai';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Association, DicomNode } from '../../../src/dimse/index.js';
import {
  decodeIdentifier,
  encodeIdentifier,
  type Identifier,
} from '../../../src/dimse/message/identifier.js';
import { makeStudy, SOP_CLASSES, type MadeStudy } from '../../support/dicom-files.js';
import { onAssociation, sentFrom, storeOn } from '../../support/node-client.js';
import { withNode } from '../../support/node.js';
import {
  connectScriptedPeer,
  startScriptedPeer,
  type Script,
  type ScriptedServer,
} from '../../support/scripted-peer.js';
import { commandPdu, PATIENCE, responseTo, signal } from '../../support/scripted-scp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';
import { COMMANDS, encodePData } from '../../support/wire.js';

const MOVE = '1.2.840.10008.5.1.4.1.2.2.2';
const GET = '1.2.840.10008.5.1.4.1.2.2.3';
const FIND = '1.2.840.10008.5.1.4.1.2.2.1';
const EXPLICIT = '1.2.840.10008.1.2.1';
const IMPLICIT = '1.2.840.10008.1.2';

interface Final {
  readonly status: number;
  readonly pending: number;
  readonly remaining: number | undefined;
  readonly completed: number | undefined;
  readonly failed: number | undefined;
  readonly warning: number | undefined;
  readonly failedUids: readonly string[];
  /** What came by C-STORE on the same association. */
  readonly received: readonly string[];
}

interface Asked {
  readonly keys: Identifier;
  readonly destination?: string;
  /** After so many responses or instances a C-CANCEL-RQ is sent. */
  readonly cancelAfter?: number;
  /** What the C-CANCEL-RQ waits for. */
  readonly beforeCancel?: Promise<void>;
  readonly onCancelled?: () => void;
  /** How C-STORE-RQs on this association are answered. */
  readonly answer?: (index: number) => number;
}

/** A C-MOVE (with a destination) or C-GET, until its final response. */
async function retrieve(association: Association, asked: Asked): Promise<Final> {
  const sopClass = asked.destination === undefined ? GET : MOVE;
  const context = association.requireContext(sopClass);
  const messageId = association.nextMessageId();
  const rq = { messageId, affectedSopClassUid: sopClass, priority: 0 };
  await association.sendCommand(
    context.id,
    asked.destination === undefined
      ? { type: 'C-GET-RQ', ...rq }
      : { type: 'C-MOVE-RQ', ...rq, moveDestination: asked.destination },
    true,
  );
  const writer = association.openDataSet(context.id);
  await writer.write(encodeIdentifier(asked.keys, context.transferSyntax));
  await writer.end();
  const received: string[] = [];
  let pending = 0;
  for (;;) {
    const { command, presentationContextId, hasDataSet } = await association.receiveCommand(
      'retrieve',
      PATIENCE,
    );
    if (received.length + pending + 1 === asked.cancelAfter) {
      await asked.beforeCancel;
      const cancel = { type: 'C-CANCEL-RQ', messageIdBeingRespondedTo: messageId } as const;
      await association.sendCommand(context.id, cancel, false);
      asked.onCancelled?.();
    }
    if (command.type === 'C-STORE-RQ') {
      await association.skipDataSet('C-STORE', PATIENCE);
      const status = asked.answer?.(received.length) ?? 0;
      received.push(command.affectedSopInstanceUid);
      await association.sendCommand(
        presentationContextId,
        { type: 'C-STORE-RSP', messageIdBeingRespondedTo: command.messageId, status },
        false,
      );
      continue;
    }
    if (command.type !== 'C-GET-RSP' && command.type !== 'C-MOVE-RSP') throw new Error(command.type);
    if (command.status === 0xff00) {
      pending += 1;
      continue;
    }
    const failed = hasDataSet
      ? (decodeIdentifier(
          await association.collectDataSet('retrieve', PATIENCE, 1 << 20),
          context.transferSyntax,
        )['FailedSOPInstanceUIDList'] ?? '')
      : '';
    return {
      status: command.status,
      pending,
      remaining: command.numberOfRemainingSubOperations,
      completed: command.numberOfCompletedSubOperations,
      failed: command.numberOfFailedSubOperations,
      warning: command.numberOfWarningSubOperations,
      failedUids: failed === '' ? [] : failed.split('\\'),
      received,
    };
  }
}

describe('retrieval from a node', () => {
  let dir: TempDir;
  let filled: string;
  let study: MadeStudy;
  /** Its instances are of several classes, and one is stored in another transfer syntax. */
  let mixed: MadeStudy;
  before(async () => {
    dir = tempDir('retrieve');
    filled = join(dir.path, 'store');
    study = await makeStudy(join(dir.path, 'a'), { study: 51, series: 2, instances: 3 });
    mixed = await makeStudy(join(dir.path, 'b'), {
      study: 52,
      series: [
        { sopClass: 'CT', instances: 2 },
        { sopClass: 'MR', instances: 1, transferSyntax: 'implicit' },
      ],
    });
    await withNode((node) => storeOn(node, [...study.files, ...mixed.files].map(sentFrom)), {
      folder: filled,
    });
  });
  after(() => dir.remove());

  const counted = ({ status, remaining, completed, failed, warning }: Final): unknown => ({
    ...{ status, remaining, completed, failed, warning },
  });
  const ended = (status: number, completed: number, failed: number, warning = 0): unknown => ({
    ...{ status, remaining: undefined, completed, failed, warning },
  });
  const done = (completed: number): unknown => ended(0, completed, 0);
  const storage = (sopClass: string, transferSyntax = EXPLICIT) => ({
    abstractSyntax: sopClass,
    transferSyntaxes: [transferSyntax],
    asScp: true,
  });

  function get(asked: Asked, contexts = [storage(SOP_CLASSES.CT)]): Promise<Final> {
    return withNode((node) => onAssociation(node, (association) => retrieve(association, asked), contexts), {
      folder: filled,
    });
  }

  describe('by C-GET', () => {
    const levels: readonly (readonly [string, () => Identifier, () => readonly string[]])[] = [
      [
        'a study',
        () => ({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study.studyInstanceUid }),
        () => study.sopInstanceUids,
      ],
      [
        'a series',
        () => ({
          QueryRetrieveLevel: 'SERIES',
          StudyInstanceUID: study.studyInstanceUid,
          SeriesInstanceUID: study.series[1]!.seriesInstanceUid,
        }),
        () => study.series[1]!.instances.map(({ sopInstanceUid }) => sopInstanceUid),
      ],
      [
        'a list of instances, each once',
        () => ({
          QueryRetrieveLevel: 'IMAGE',
          StudyInstanceUID: study.studyInstanceUid,
          SOPInstanceUID: [
            study.sopInstanceUids[4],
            study.sopInstanceUids[0],
            study.sopInstanceUids[4],
            '1.2.3',
          ].join('\\'),
        }),
        () => [study.sopInstanceUids[4]!, study.sopInstanceUids[0]!],
      ],
      [
        'nothing where the levels contradict each other',
        () => ({
          QueryRetrieveLevel: 'IMAGE',
          StudyInstanceUID: mixed.studyInstanceUid,
          SOPInstanceUID: study.sopInstanceUids[0]!,
        }),
        () => [],
      ],
      [
        'nothing of what is not there',
        () => ({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '1.2.3' }),
        () => [],
      ],
    ];
    for (const [what, keys, expected] of levels)
      it(`gives ${what}`, async () => {
        const final = await get({ keys: keys() });
        expect(final.received).to.deep.equal(expected());
        expect(counted(final)).to.deep.equal(done(expected().length));
        expect(final.failedUids).to.deep.equal([]);
      });

    const refused: readonly (readonly [string, Identifier])[] = [
      ['without a level', { StudyInstanceUID: '1.2.3' }],
      ['at a level that there is not', { QueryRetrieveLevel: 'FRAME', StudyInstanceUID: '1.2.3' }],
      ['at PATIENT level in the study root model', { QueryRetrieveLevel: 'PATIENT', PatientID: 'CANARYM51' }],
      ['for every study', { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '' }],
      ['at IMAGE level without instances', { QueryRetrieveLevel: 'IMAGE', StudyInstanceUID: '1.2.3' }],
    ];
    for (const [what, keys] of refused)
      it(`is refused with 0xA900 when it asks ${what}`, async () => {
        const final = await get({ keys });
        expect(final.status).to.equal(0xa900);
        expect(final.received).to.deep.equal([]);
      });

    it('counts as failed, and names, what no context was accepted for, and goes on', async () => {
      const keys = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: mixed.studyInstanceUid };
      const final = await get({ keys }, [storage(SOP_CLASSES.CT)]);
      expect(final.received).to.deep.equal(mixed.sopInstanceUids.slice(0, 2));
      expect(counted(final)).to.deep.equal(ended(0xb000, 2, 1));
      expect(final.failedUids).to.deep.equal([mixed.sopInstanceUids[2]]);
    });

    it('takes of several transfer syntaxes the one that is stored', async () => {
      const keys = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: mixed.studyInstanceUid };
      const both = { ...storage(SOP_CLASSES.MR), transferSyntaxes: [EXPLICIT, IMPLICIT] };
      const final = await get({ keys }, [storage(SOP_CLASSES.CT), both]);
      expect(counted(final)).to.deep.equal(done(3));
    });

    it('sends nothing of a class of which the requestor did not say that it is SCP', async () => {
      const keys = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study.studyInstanceUid };
      const final = await get({ keys }, [{ ...storage(SOP_CLASSES.CT), asScp: false }]);
      expect(counted(final)).to.deep.equal(ended(0xa702, 0, 6));
      expect(final.failedUids).to.have.members([...study.sopInstanceUids]);
    });

    it('counts warnings and failures of the requestor', async () => {
      const keys = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study.studyInstanceUid };
      const final = await get({ keys, answer: (index) => [0xb000, 0xa700][index] ?? 0 });
      expect(counted(final)).to.deep.equal(ended(0xb000, 4, 1, 1));
      expect(final.failedUids).to.deep.equal([study.sopInstanceUids[1]]);
      expect(final.pending).to.equal(5);
    });

    it('stops when it is cancelled, and says what is left', async () => {
      const keys = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study.studyInstanceUid };
      const final = await get({ keys, cancelAfter: 3 });
      expect(final.status).to.equal(0xfe00);
      expect(final.received.length).to.be.within(1, 4);
      expect(final.remaining).to.equal(6 - final.received.length);
    });

    it('counts as failed what has no file any more', () =>
      withNode(async (node) => {
        await storeOn(node, study.files.map(sentFrom));
        const [first] = study.series;
        rmSync(
          join(
            node.folder,
            study.studyInstanceUid,
            first!.seriesInstanceUid,
            `${study.sopInstanceUids[0]!}.dcm`,
          ),
        );
        const keys = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study.studyInstanceUid };
        const contexts = [storage(SOP_CLASSES.CT)];
        const final = await onAssociation(node, (association) => retrieve(association, { keys }), contexts);
        expect(final.failedUids).to.deep.equal([study.sopInstanceUids[0]]);
        expect(final.completed).to.equal(5);
      }));
  });

  describe('by C-MOVE', () => {
    const keys = (): Identifier => ({
      QueryRetrieveLevel: 'STUDY',
      StudyInstanceUID: study.studyInstanceUid,
    });

    /** C-MOVE to a destination with a script. */
    async function moveTo(
      script: Script,
      asked: Partial<Asked> = {},
    ): Promise<{ final: Final; server: ScriptedServer }> {
      const server = await startScriptedPeer(script);
      const peer: DicomNode = { aeTitle: 'DEST', host: server.host, port: server.port };
      try {
        const final = await withNode(
          (node) =>
            onAssociation(node, (association) =>
              retrieve(association, { keys: keys(), destination: 'DEST', ...asked }),
            ),
          { folder: filled, peers: [peer] },
        );
        return { final, server };
      } finally {
        await server.close();
      }
    }

    const sink =
      (answer: (index: number) => number, seen: Record<string, unknown>[] = []): Script =>
      async (peer) => {
        await peer.acceptAssociation();
        for (let index = 0; ; index += 1) {
          const incoming = await peer.next();
          if (incoming.kind === 'release') await peer.answerRelease();
          if (incoming.kind !== 'message') return;
          seen.push(incoming.message.command);
          await peer.sendCommand(incoming.message.contextId, responseTo(incoming.message, answer(index)));
        }
      };

    it('sends what is asked for to the destination, and says on whose behalf', async () => {
      const seen: Record<string, unknown>[] = [];
      const { final } = await moveTo(sink(() => 0, seen));
      expect(counted(final)).to.deep.equal(done(6));
      expect(final.pending, 'one for each but the last').to.equal(5);
      expect(seen.map((command) => command['AffectedSOPInstanceUID'])).to.deep.equal(study.sopInstanceUids);
      const originator = { MoveOriginatorApplicationEntityTitle: 'PIXL', MoveOriginatorMessageID: 1 };
      for (const command of seen) expect(command).to.include(originator);
    });

    it('counts and names what the destination refuses, and goes on', async () => {
      const { final } = await moveTo(sink((index) => [0xa700, 0xb007][index] ?? 0));
      expect(counted(final)).to.deep.equal(ended(0xb000, 4, 1, 1));
      expect(final.failedUids).to.deep.equal([study.sopInstanceUids[0]]);
    });

    it('counts as failed what the destination takes no context for', async () => {
      const { final } = await moveTo(async (peer) => {
        await peer.acceptAssociation({ contexts: () => 3 });
        await peer.next();
        await peer.answerRelease();
      });
      expect(counted(final)).to.deep.equal(ended(0xa702, 0, 6));
    });

    it('counts as failed what is left when the destination breaks off', async () => {
      const { final } = await moveTo(async (peer) => {
        await peer.acceptAssociation();
        const first = await peer.receiveMessage();
        await peer.sendCommand(first.contextId, responseTo(first, 0));
        await peer.receiveMessage();
        await peer.abort();
      });
      expect(counted(final)).to.deep.equal(ended(0xb000, 1, 5));
      expect(final.failedUids).to.have.members(study.sopInstanceUids.slice(1));
    });

    it('fails with 0xA702 when the destination is not there', async () => {
      const { final } = await moveTo((peer) => peer.reset());
      expect(counted(final)).to.deep.equal(ended(0xa702, 0, 6));
    });

    it('is refused with 0xA801 when the destination is not known', async () => {
      const { final, server } = await moveTo(() => Promise.resolve(), { destination: 'NOBODY' });
      expect(final.status).to.equal(0xa801);
      expect(server.connections).to.equal(0);
    });

    it('stops when it is cancelled', async () => {
      const [secondCame, cancelled] = [signal(), signal()];
      const { final } = await moveTo(
        async (peer) => {
          await peer.acceptAssociation();
          for (let index = 0; ; index += 1) {
            const incoming = await peer.next();
            if (incoming.kind === 'release') await peer.answerRelease();
            if (incoming.kind !== 'message') return;
            if (index === 1) {
              secondCame.resolve();
              await cancelled.promise;
            }
            await peer.sendCommand(incoming.message.contextId, responseTo(incoming.message, 0));
          }
        },
        { cancelAfter: 1, beforeCancel: secondCame.promise, onCancelled: () => cancelled.resolve() },
      );
      expect(final.status).to.equal(0xfe00);
      expect(final.completed).to.be.within(2, 5);
      expect(final.remaining).to.equal(6 - final.completed!);
    });

    it('moves what needs more than 128 contexts over several associations', () =>
      withNode(
        async ({ running, ...destination }) => {
          const template = sentFrom(study.files[0]!);
          const instances = Array.from({ length: 130 }, (_, index) => {
            const sopInstanceUid = template.sopInstanceUid.replace(/1\.1$/, String(100 + index));
            const dataSet = Buffer.from(template.dataSet);
            dataSet.write(sopInstanceUid, dataSet.indexOf(template.sopInstanceUid), 'latin1');
            return {
              ...template,
              sopInstanceUid,
              transferSyntaxUid: `1.2.826.0.1.3680043.8.498.6.${index}`,
              dataSet,
            };
          });
          await withNode(
            async (source) => {
              await storeOn(source, instances.slice(0, 100));
              await storeOn(source, instances.slice(100));
              const final = await onAssociation(source, (association) =>
                retrieve(association, { keys: keys(), destination: 'DEST' }),
              );
              expect(counted(final)).to.deep.equal(done(130));
            },
            { peers: [destination] },
          );
          expect(running.instances).to.equal(130);
        },
        { aeTitle: 'DEST' },
      ));
  });

  it('of answers to a C-FIND stops when it is cancelled', () =>
    withNode(
      async (node) => {
        const peer = await connectScriptedPeer(node);
        const contexts = [{ id: 1, abstractSyntax: FIND, transferSyntaxes: [EXPLICIT] }];
        await peer.requestAssociation({ called: 'NODE', contexts });
        const request = {
          CommandField: COMMANDS.CFindRq,
          MessageID: 7,
          AffectedSOPClassUID: FIND,
          Priority: 0,
          CommandDataSetType: 1,
        };
        const keys = encodeIdentifier({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '' }, EXPLICIT);
        // In one write, so that the node has it all before it begins to answer.
        await peer.sendRaw(
          Buffer.concat([
            commandPdu(1, request),
            encodePData([{ contextId: 1, isCommand: false, isLast: true, bytes: keys }]),
            commandPdu(1, { CommandField: COMMANDS.CCancelRq, MessageIDBeingRespondedTo: 7 }),
          ]),
        );
        expect((await peer.receiveMessage()).command).to.include({ Status: 0xfe00 });
        await peer.release();
        await peer.close();
      },
      { folder: filled },
    ));
});
