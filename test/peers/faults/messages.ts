import type { Ending } from '../../../src/core/db/index.js';
import { messageKey } from '../../../src/core/db/ledger.js';
import { MessageRejectedError, parseImagingMessage } from '../../../src/core/message.js';
import type { Random } from '../../fuzz/random.js';
import { makeStudy, UID_ROOT, type MadeStudy, type StudyOptions } from '../../support/dicom-files.js';
import { wishFor } from '../journeys/deployment.js';

/** Where the study of a message is, or what is wrong with it. */
export type Kind =
  /** In the primary archive. */
  | 'primary'
  /** In the secondary archive. */
  | 'secondary'
  /** In no archive. */
  | 'nowhere'
  /** Anon refuses the first one of its instances the first time. */
  | 'refused once'
  /** Anon refuses the first one of its instances each time. */
  | 'refused always'
  /** It is no message. */
  | 'unreadable';

/** A message that was published, and how it is bound to end. */
export interface Published {
  readonly body: Buffer;
  /** How the ledger knows it. */
  readonly key: string;
  readonly kind: Kind;
  readonly ending: Ending;
  /** null: there is none. */
  readonly study: MadeStudy | null;
}

const ENDING_OF: Readonly<Record<Kind, Ending>> = {
  primary: 'delivered',
  secondary: 'delivered',
  nowhere: 'missing',
  'refused once': 'delivered',
  'refused always': 'incomplete',
  unreadable: 'rejected',
};

/** How anon knows what to refuse: PatientID begins with this. */
const REFUSED = { 'refused once': 'ONCE', 'refused always': 'ALWAYS' } as const;

/** The script of an Orthanc that refuses (0xA700) what is bound to be refused. */
export const REFUSING_LUA = `
seen = {}
function ReceivedInstanceFilter(dicom, origin)
  if dicom.InstanceNumber ~= '1' then return true end
  if string.find(dicom.PatientID, '^${REFUSED['refused always']}') then error('refused') end
  if string.find(dicom.PatientID, '^${REFUSED['refused once']}') and not seen[dicom.SOPInstanceUID] then
    seen[dicom.SOPInstanceUID] = true
    error('refused')
  end
  return true
end`;

let made = 0;

/** Messages of the given kinds, each with a small study of its own in a folder; nothing is loaded or published yet. */
export async function makeMessages(
  folder: string,
  kinds: readonly Kind[],
  random: Random,
  options: Partial<StudyOptions> = {},
): Promise<Published[]> {
  const messages: Published[] = [];
  for (const kind of kinds) {
    made += 1;
    if (kind === 'unreadable') {
      messages.push(published(Buffer.from(`{"mrn": ${made}`), kind, null));
      continue;
    }
    const refused = kind === 'refused once' || kind === 'refused always' ? REFUSED[kind] : 'MRN';
    const study = await makeStudy(folder, {
      study: made,
      uidRoot: `${UID_ROOT}.8800`,
      mrn: `${refused}-F-${made}`,
      accession: `ACC-F-${made}`,
      instances: random.between(1, 3),
      ...options,
    });
    messages.push(messageFor(study, kind));
  }
  return messages;
}

/** Another message that asks for the same study, on behalf of another procedure. */
export function twinOf({ study, kind }: Published): Published {
  if (study === null) throw new Error('a message without a study has no twin');
  return messageFor(study, kind, 4712);
}

/** The files of the studies that belong into an archive. */
export function filesFor(archive: 'primary' | 'secondary', messages: readonly Published[]): string[] {
  return messages.flatMap(({ study, kind }) => {
    const at = kind === 'secondary' ? 'secondary' : 'primary';
    return study === null || kind === 'nowhere' || at !== archive ? [] : study.files;
  });
}

function messageFor(study: MadeStudy, kind: Kind, procedure = 4711): Published {
  const wish = wishFor(study, { procedure_occurrence_id: procedure });
  return published(Buffer.from(JSON.stringify(wish)), kind, study);
}

function published(body: Buffer, kind: Kind, study: MadeStudy | null): Published {
  return { body, key: keyOf(body), kind, ending: ENDING_OF[kind], study };
}

/** The ledger's name for a message with this body. */
export function keyOf(body: Buffer): string {
  try {
    return messageKey({ message: parseImagingMessage(body), delivery: { body } });
  } catch (error) {
    if (!(error instanceof MessageRejectedError)) throw error;
    return messageKey({ message: null, delivery: { body } });
  }
}
