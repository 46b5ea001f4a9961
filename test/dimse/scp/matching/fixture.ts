import { createRequire } from 'node:module';
import { decodeText } from '../../../../src/dimse/data-set/decode-text.js';
import { elementsIn } from '../../../../src/dimse/data-set/elements-in.js';
import { encodingOf } from '../../../../src/dimse/data-set/encoding.js';
import { readInstance } from '../../../../src/dimse/scp/read-instance.js';
import type {
  StoredInstance,
  StoredInstances,
  StoredSeries,
  StoredStudy,
} from '../../../../src/dimse/scp/stored-instance.js';
import { encodeDataSet, type Element } from '../../../support/dicom-files.js';

interface DictionaryEntry {
  readonly tag: string;
  readonly vr: string;
}

/** PS3.6 as dcmjs has it: what ours is compared with. */
const dictionary = (
  createRequire(import.meta.url)('dcmjs') as {
    data: { DicomMetaDictionary: { nameMap: Readonly<Record<string, DictionaryEntry | undefined>> } };
  }
).data.DicomMetaDictionary.nameMap;

export function dictionaryEntry(keyword: string): { readonly tag: number; readonly vr: string } {
  const entry = dictionary[keyword];
  if (entry === undefined) throw new Error(`no ${keyword} in the dictionary`);
  return { tag: Number.parseInt(entry.tag.replace(/\W/g, ''), 16), vr: entry.vr };
}

export const SYNTAXES = { explicit: '1.2.840.10008.1.2.1', implicit: '1.2.840.10008.1.2' } as const;

/** An Identifier as a client sends it: text in UTF-8 where it says so, else in Latin-1. */
export function identifier(
  keys: Readonly<Record<string, string>>,
  syntax: keyof typeof SYNTAXES = 'implicit',
): Buffer {
  const encoding = keys['SpecificCharacterSet'] === 'ISO_IR 192' ? 'utf8' : 'latin1';
  const elements = Object.entries(keys).map(([keyword, text]): Element => {
    const { tag, vr } = dictionaryEntry(keyword);
    const numbers = text === '' ? [] : text.split('\\').map(Number);
    return { tag, vr, value: vr === 'US' ? numbers : Buffer.from(text, encoding) };
  });
  return encodeDataSet(elements, syntax);
}

/** The text values of an answer by keyword, numbers too. */
export function readAnswer(bytes: Buffer, transferSyntax: string): Record<string, string> {
  const elements = elementsIn(bytes, encodingOf(transferSyntax));
  const set = elements.find(({ tag }) => tag === 0x00080005)?.value?.toString('latin1') ?? '';
  const texts: Record<string, string> = {};
  for (const [keyword, entry] of Object.entries(dictionary)) {
    const hex = entry?.tag.replace(/\W/g, '') ?? '';
    const value = elements.find(({ tag }) => tag === Number.parseInt(hex, 16))?.value ?? null;
    if (value === null || entry === undefined) continue;
    texts[keyword] =
      entry.vr === 'US' && value.length > 0
        ? String(value.readUInt16LE(0))
        : decodeText(value, entry.vr, set);
  }
  return texts;
}

/** Attributes by keyword; what is not given is there with a value of its own, or not at all. */
export type InstanceValues = Readonly<Record<string, string>>;

export function instanceOf(values: InstanceValues): StoredInstance {
  const text = (keyword: string, otherwise = ''): string => values[keyword] ?? otherwise;
  return {
    sopInstanceUid: text('SOPInstanceUID', '1.2.3.4.5'),
    sopClassUid: text('SOPClassUID', '1.2.840.10008.5.1.4.1.1.2'),
    transferSyntaxUid: SYNTAXES.explicit,
    seriesInstanceUid: text('SeriesInstanceUID', '1.2.3.4'),
    studyInstanceUid: text('StudyInstanceUID', '1.2.3'),
    patientId: text('PatientID'),
    attributes: new Map(Object.entries(values)),
    file: 'x.dcm',
    bytes: 1,
  };
}

/** What the matching needs of a store, over instances in memory. */
export function storeOf(instances: Iterable<StoredInstance>): StoredInstances {
  const studies = new Map<string, StoredStudy & { readonly series: Map<string, StoredSeries> }>();
  const all = new Map<string, StoredInstance>();
  for (const instance of instances) {
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, patientId } = instance;
    const study = studies.get(studyInstanceUid) ?? {
      studyInstanceUid,
      patientId,
      series: new Map<string, StoredSeries>(),
    };
    studies.set(studyInstanceUid, study);
    const held = study.series.get(seriesInstanceUid)?.instances ?? new Map<string, StoredInstance>();
    study.series.set(seriesInstanceUid, {
      seriesInstanceUid,
      instances: new Map([...held, [sopInstanceUid, instance]]),
    });
    all.set(sopInstanceUid, instance);
  }
  return {
    studies,
    patientIds: () => new Set([...studies.values()].map(({ patientId }) => patientId)),
    studiesOfPatient: (id) => [...studies.values()].filter(({ patientId }) => patientId === id),
    series: (uid) =>
      [...studies.values()].map(({ series }) => series.get(uid)).find((series) => series !== undefined),
    instance: (uid) => all.get(uid),
  };
}

/** The instance in a file, as the node reads it. */
export async function instanceIn(file: string): Promise<StoredInstance> {
  const { attributes, transferSyntaxUid } = await readInstance(file);
  return { ...instanceOf(Object.fromEntries(attributes)), transferSyntaxUid, file };
}
