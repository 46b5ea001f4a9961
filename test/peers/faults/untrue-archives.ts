import { expect } from 'chai';
import {
  MOVES,
  startScriptedArchive,
  type FindQuirks,
  type MoveQuirks,
} from '../../support/scripted-archive.js';
import { underLoad, type FaultCase } from './faults.js';
import { makeMessages, type Kind } from './messages.js';

/** Each once, by one study each; the others are moved as they should be. What no attempt mends is not among them. */
const MOVE_LIES: readonly MoveQuirks[] = [
  ...Object.values(MOVES).filter((lie) => lie !== MOVES.destinationUnknown),
  { send: 1, end: 'close' },
  { send: 1, end: 'reset' },
  { end: 'abort' },
];

const FIND_QUIRKS: readonly FindQuirks[] = [
  {},
  { ignoreKeys: true },
  { pendingStatus: 0xff01 },
  { characterSet: 'ISO_IR 999' },
  { characterSet: '' },
  { uidPadding: '\0' },
  { textPadding: '    ' },
];

/** An archive whose answers are wrong, to many messages at a time. */
export const untrueArchives: FaultCase = {
  name: 'an archive that answers wrongly under load',
  run: async (faults, random) => {
    const messages = await makeMessages(faults.folder(), Array<Kind>(36).fill('primary'), random);
    const studies = messages.map(({ study }) => study!);
    const lies = new Map(
      random.shuffled(MOVE_LIES).map((lie, index) => [studies[2 * index]!.studyInstanceUid, lie]),
    );
    const archive = await startScriptedArchive({
      ...{ studies, destinations: [faults.raw] },
      quirks: {
        find: () => random.pick(FIND_QUIRKS),
        move: ({ keys }) => {
          const uid = keys['StudyInstanceUID'] ?? '';
          const lie = lies.get(uid) ?? {};
          lies.delete(uid);
          return lie;
        },
      },
    });
    faults.atEnd(() => archive.close());
    const load = await underLoad(faults, random, {
      ...{ messages, archives: [] },
      nodes: { primary: archive, secondary: null },
      settings: { PIXL_DICOM_TRANSFER_TIMEOUT: '2' },
    });
    await load.settle();
    expect(lies.size, 'lies that nobody was told').to.equal(0);
    const sent = archive.record.sent.map(({ sopInstanceUid }) => sopInstanceUid);
    expect(new Set(sent).size, 'each instance was sent once').to.equal(sent.length);
    expect(archive.record.violations).to.deep.equal([]);
  },
};
