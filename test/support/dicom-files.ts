import { randomFillSync } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import * as model from '../dimse/data-set/elements.js';
import { run } from './processes.js';

/**
 * Synthetic DICOM files. Nothing of src/ encodes them: what the service reads and writes is compared with what
 * this writes and `dicom-read.ts` reads.
 */
export const SOP_CLASSES = {
  CT: '1.2.840.10008.5.1.4.1.1.2',
  EnhancedCT: '1.2.840.10008.5.1.4.1.1.2.1',
  MR: '1.2.840.10008.5.1.4.1.1.4',
  EnhancedMR: '1.2.840.10008.5.1.4.1.1.4.1',
  US: '1.2.840.10008.5.1.4.1.1.6.1',
  SC: '1.2.840.10008.5.1.4.1.1.7',
  MultiFrameSC: '1.2.840.10008.5.1.4.1.1.7.3',
  CR: '1.2.840.10008.5.1.4.1.1.1',
  DX: '1.2.840.10008.5.1.4.1.1.1.1',
  XA: '1.2.840.10008.5.1.4.1.1.12.1',
  PET: '1.2.840.10008.5.1.4.1.1.128',
  PR: '1.2.840.10008.5.1.4.1.1.11.1',
  SR: '1.2.840.10008.5.1.4.1.1.88.11',
  PDF: '1.2.840.10008.5.1.4.1.1.104.1',
  /** A storage class that no dictionary knows. */
  Private: '1.2.826.0.1.3680043.8.498.77.1',
} as const;

export type SopClassName = keyof typeof SOP_CLASSES;

export const TRANSFER_SYNTAXES = {
  implicit: '1.2.840.10008.1.2',
  explicit: '1.2.840.10008.1.2.1',
  deflated: '1.2.840.10008.1.2.1.99',
  bigEndian: '1.2.840.10008.1.2.2',
  jpegLossless: '1.2.840.10008.1.2.4.70',
  jpegLs: '1.2.840.10008.1.2.4.80',
  jpeg2000: '1.2.840.10008.1.2.4.90',
  rle: '1.2.840.10008.1.2.5',
} as const;

export type TransferSyntaxName = keyof typeof TRANSFER_SYNTAXES;

/** The value of an element: text (latin1, or UTF-8 where the character set says so), raw bytes, numbers, or items. */
export type ElementValue = string | Buffer | readonly number[] | SequenceValue;

export interface SequenceValue {
  readonly items: readonly (readonly Element[])[];
  /** Delimited by items instead of counted. */
  readonly undefinedLength?: boolean;
}

export interface Element {
  /** 0xGGGGEEEE */
  readonly tag: number;
  readonly vr: string;
  readonly value: ElementValue;
}

export interface InstanceOptions {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClass?: SopClassName;
  readonly mrn?: string;
  readonly accession?: string;
  readonly modality?: string;
  readonly patientName?: string | Buffer;
  readonly studyDate?: string;
  readonly seriesNumber?: number;
  readonly instanceNumber?: number;
  readonly rows?: number;
  readonly cols?: number;
  readonly frames?: number;
  /** Specific Character Set; `''` leaves the element out. `ISO_IR 192` writes text as UTF-8. */
  readonly characterSet?: string;
  readonly transferSyntax?: 'explicit' | 'implicit';
  /** Added, or put in the place of an element of the same tag. */
  readonly extra?: readonly Element[];
  /** Random pixels: nothing makes them smaller. */
  readonly noise?: boolean;
  /** Changes the pixels. */
  readonly seed?: number;
}

const PIXEL_CLASSES_WITHOUT: ReadonlySet<string> = new Set(['SR', 'PDF', 'PR', 'Private']);
const BLOCK = 1 << 20;

function numbers(vr: string, values: readonly number[]): Buffer {
  const size = vr === 'US' || vr === 'SS' || vr === 'OW' ? 2 : vr === 'FD' || vr === 'OD' ? 8 : 4;
  const bytes = Buffer.alloc(values.length * size);
  values.forEach((value, index) => {
    const at = index * size;
    if (vr === 'FD' || vr === 'OD') bytes.writeDoubleLE(value, at);
    else if (vr === 'FL' || vr === 'OF') bytes.writeFloatLE(value, at);
    else if (vr === 'AT') {
      bytes.writeUInt16LE(value >>> 16, at);
      bytes.writeUInt16LE(value & 0xffff, at + 2);
    } else if (size === 2) bytes.writeUInt16LE(value & 0xffff, at);
    else bytes.writeUInt32LE(value >>> 0, at);
  });
  return bytes;
}

interface Encoding {
  readonly explicit: boolean;
  readonly text: BufferEncoding;
}

function valueBytes(value: string | Buffer | readonly number[], vr: string, text: BufferEncoding): Buffer {
  if (!Buffer.isBuffer(value) && typeof value !== 'string') return numbers(vr, value);
  const bytes = typeof value === 'string' ? Buffer.from(value, text) : value;
  if (bytes.length % 2 === 0) return bytes;
  const pad = vr === 'UI' || vr === 'OB' || vr === 'UN' ? 0 : 0x20;
  return Buffer.concat([bytes, Buffer.of(pad)]);
}

function modelOf({ tag, vr, value }: Element, text: BufferEncoding): model.Element {
  if (typeof value === 'string' || !('items' in value))
    return { kind: 'value', tag, vr, value: valueBytes(value, vr, text) };
  const isOpen = value.undefinedLength === true;
  const items = value.items.map((elements) => modelsOf(elements, text));
  return { kind: 'items', tag, vr: 'SQ', items, undefinedLength: isOpen, undefinedItems: isOpen };
}

function modelsOf(elements: readonly Element[], text: BufferEncoding): model.Element[] {
  return [...elements].sort((a, b) => (a.tag >>> 0) - (b.tag >>> 0)).map((element) => modelOf(element, text));
}

function encodeElements(elements: readonly Element[], { explicit, text }: Encoding): Buffer {
  return model.encode(modelsOf(elements, text), explicit ? model.EXPLICIT : model.IMPLICIT);
}

/** Encodes elements as a data set in Explicit or Implicit VR Little Endian, e.g. to be sent by the scripted peer. */
export function encodeDataSet(
  elements: readonly Element[],
  transferSyntax: 'explicit' | 'implicit' = 'explicit',
): Buffer {
  return encodeElements(elements, { explicit: transferSyntax === 'explicit', text: 'latin1' });
}

function fileMeta(sopClass: string, sopInstance: string, transferSyntax: string): Buffer {
  const encoding: Encoding = { explicit: true, text: 'latin1' };
  const elements = encodeElements(
    [
      { tag: 0x00020001, vr: 'OB', value: Buffer.of(0, 1) },
      { tag: 0x00020002, vr: 'UI', value: sopClass },
      { tag: 0x00020003, vr: 'UI', value: sopInstance },
      { tag: 0x00020010, vr: 'UI', value: transferSyntax },
      { tag: 0x00020012, vr: 'UI', value: '1.2.826.0.1.3680043.8.498.1' },
    ],
    encoding,
  );
  const length = encodeElements([{ tag: 0x00020000, vr: 'UL', value: [elements.length] }], encoding);
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), length, elements]);
}

function elementsOf(options: InstanceOptions, sopClass: SopClassName): Element[] {
  const characterSet = options.characterSet ?? 'ISO_IR 100';
  const studyDate = options.studyDate ?? '20240101';
  const seriesNumber = options.seriesNumber ?? 1;
  const elements: Element[] = [
    ...(characterSet === '' ? [] : [{ tag: 0x00080005, vr: 'CS', value: characterSet }]),
    { tag: 0x00080016, vr: 'UI', value: SOP_CLASSES[sopClass] },
    { tag: 0x00080018, vr: 'UI', value: options.sopInstanceUid },
    { tag: 0x00080020, vr: 'DA', value: studyDate },
    { tag: 0x00080021, vr: 'DA', value: studyDate },
    { tag: 0x00080030, vr: 'TM', value: '120000' },
    { tag: 0x00080031, vr: 'TM', value: '120000' },
    { tag: 0x00080050, vr: 'SH', value: options.accession ?? 'CANARYA1' },
    { tag: 0x00080060, vr: 'CS', value: options.modality ?? modalityOf(sopClass) },
    { tag: 0x00081030, vr: 'LO', value: 'Synthetic study' },
    { tag: 0x0008103e, vr: 'LO', value: `Series ${seriesNumber}` },
    { tag: 0x00100010, vr: 'PN', value: options.patientName ?? 'CANARY^PATIENT' },
    { tag: 0x00100020, vr: 'LO', value: options.mrn ?? 'CANARYM1' },
    { tag: 0x00100030, vr: 'DA', value: '19700101' },
    { tag: 0x00100040, vr: 'CS', value: 'O' },
    { tag: 0x0020000d, vr: 'UI', value: options.studyInstanceUid },
    { tag: 0x0020000e, vr: 'UI', value: options.seriesInstanceUid },
    { tag: 0x00200010, vr: 'SH', value: 'S1' },
    { tag: 0x00200011, vr: 'IS', value: `${seriesNumber}` },
    { tag: 0x00200013, vr: 'IS', value: `${options.instanceNumber ?? 1}` },
    ...contentOf(sopClass),
  ];
  if (hasPixels(sopClass)) {
    const frames = options.frames ?? 1;
    elements.push(
      { tag: 0x00280002, vr: 'US', value: [1] },
      { tag: 0x00280004, vr: 'CS', value: 'MONOCHROME2' },
      ...(frames > 1 || sopClass === 'MultiFrameSC'
        ? [{ tag: 0x00280008, vr: 'IS', value: `${frames}` }]
        : []),
      { tag: 0x00280010, vr: 'US', value: [options.rows ?? 64] },
      { tag: 0x00280011, vr: 'US', value: [options.cols ?? 64] },
      { tag: 0x00280100, vr: 'US', value: [16] },
      { tag: 0x00280101, vr: 'US', value: [12] },
      { tag: 0x00280102, vr: 'US', value: [11] },
      { tag: 0x00280103, vr: 'US', value: [0] },
    );
  }
  const replaced = new Set((options.extra ?? []).map((element) => element.tag >>> 0));
  return [...elements.filter((element) => !replaced.has(element.tag >>> 0)), ...(options.extra ?? [])];
}

function hasPixels(sopClass: SopClassName): boolean {
  return !PIXEL_CLASSES_WITHOUT.has(sopClass);
}

function modalityOf(sopClass: SopClassName): string {
  switch (sopClass) {
    case 'EnhancedCT':
      return 'CT';
    case 'EnhancedMR':
      return 'MR';
    case 'SC':
    case 'MultiFrameSC':
    case 'Private':
      return 'OT';
    case 'PET':
      return 'PT';
    case 'PDF':
      return 'DOC';
    default:
      return sopClass;
  }
}

/** A small but whole PDF. */
const PDF = Buffer.from(
  '%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n',
  'latin1',
);

function code(tag: number, value: string, scheme: string, meaning: string): Element {
  const item: Element[] = [
    { tag: 0x00080100, vr: 'SH', value },
    { tag: 0x00080102, vr: 'SH', value: scheme },
    { tag: 0x00080104, vr: 'LO', value: meaning },
  ];
  return { tag, vr: 'SQ', value: { items: [item] } };
}

function contentOf(sopClass: SopClassName): Element[] {
  if (sopClass === 'PDF') {
    return [
      { tag: 0x00280301, vr: 'CS', value: 'YES' },
      { tag: 0x00420010, vr: 'ST', value: 'Report' },
      { tag: 0x00420011, vr: 'OB', value: PDF },
      { tag: 0x00420012, vr: 'LO', value: 'application/pdf' },
    ];
  }
  if (sopClass === 'SR') {
    const text: Element[] = [
      { tag: 0x0040a010, vr: 'CS', value: 'CONTAINS' },
      { tag: 0x0040a040, vr: 'CS', value: 'TEXT' },
      code(0x0040a043, '121071', 'DCM', 'Finding'),
      { tag: 0x0040a160, vr: 'UT', value: 'Nothing was found' },
    ];
    return [
      { tag: 0x0040a040, vr: 'CS', value: 'CONTAINER' },
      code(0x0040a043, '18748-4', 'LN', 'Diagnostic Imaging Report'),
      { tag: 0x0040a050, vr: 'CS', value: 'SEPARATE' },
      { tag: 0x0040a491, vr: 'CS', value: 'COMPLETE' },
      { tag: 0x0040a493, vr: 'CS', value: 'UNVERIFIED' },
      { tag: 0x0040a730, vr: 'SQ', value: { items: [text] } },
    ];
  }
  if (sopClass === 'PR') {
    return [
      { tag: 0x00700080, vr: 'CS', value: 'STATE' },
      { tag: 0x00700081, vr: 'LO', value: 'Synthetic presentation state' },
    ];
  }
  if (sopClass === 'Private') return [{ tag: 0x00420011, vr: 'OB', value: Buffer.from('not an image') }];
  return [];
}

/** Twelve-bit pixels that differ between instances and along each instance, and compress like noise with structure. */
function pixelBlock(seed: number): Buffer {
  const block = Buffer.allocUnsafe(BLOCK);
  for (let word = 0; word < BLOCK / 2; word += 1) {
    block.writeUInt16LE(((word * 7 + seed * 13) ^ (word >>> 9)) & 0xfff, word * 2);
  }
  return block;
}

/** Writes one file. Pixel data goes to the disk block by block, so a gigabyte costs no more memory than a page. */
export async function writeInstance(file: string, options: InstanceOptions): Promise<void> {
  const sopClass = options.sopClass ?? 'CT';
  const syntax = options.transferSyntax ?? 'explicit';
  const encoding: Encoding = {
    explicit: syntax === 'explicit',
    text: options.characterSet === 'ISO_IR 192' ? 'utf8' : 'latin1',
  };
  const elements = elementsOf(options, sopClass);
  const before = elements.filter((element) => element.tag >>> 0 < 0x7fe00010);
  const after = elements.filter((element) => element.tag >>> 0 > 0x7fe00010);
  const handle = await open(file, 'w');
  try {
    await handle.write(fileMeta(SOP_CLASSES[sopClass], options.sopInstanceUid, TRANSFER_SYNTAXES[syntax]));
    await handle.write(encodeElements(before, encoding));
    if (hasPixels(sopClass)) {
      const length = (options.rows ?? 64) * (options.cols ?? 64) * 2 * (options.frames ?? 1);
      await handle.write(
        model.header(0x7fe00010, 'OW', length, encoding.explicit ? model.EXPLICIT : model.IMPLICIT),
      );
      const block = pixelBlock(options.seed ?? options.instanceNumber ?? 1);
      const noise = options.noise === true;
      for (let at = 0, index = 0; at < length; at += BLOCK, index += 1) {
        if (noise) randomFillSync(block);
        block.writeUInt16LE(index & 0xfff, 0);
        block.writeUInt16LE((index >>> 12) & 0xfff, 2);
        await handle.write(block, 0, Math.min(BLOCK, length - at));
      }
    }
    await handle.write(encodeElements(after, encoding));
  } finally {
    await handle.close();
  }
}

/** What all instances of a series share. */
export interface SeriesOptions extends Partial<
  Omit<InstanceOptions, 'studyInstanceUid' | 'sopInstanceUid' | 'instanceNumber'>
> {
  readonly instances?: number;
}

export interface StudyOptions extends SeriesOptions {
  /** Ends the study's UID; MRN and accession number are made from it when they are not given. */
  readonly study: number;
  readonly uidRoot?: string;
  /** How many alike, or each in its own way. */
  readonly series?: number | readonly SeriesOptions[];
}

export interface MadeInstance {
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly file: string;
}

export interface MadeSeries {
  readonly seriesInstanceUid: string;
  readonly instances: readonly MadeInstance[];
}

export interface MadeStudy {
  readonly studyInstanceUid: string;
  readonly mrn: string;
  readonly accession: string;
  readonly folder: string;
  readonly series: readonly MadeSeries[];
  /** Over all series, in the order in which they were written. */
  readonly instances: readonly MadeInstance[];
  readonly sopInstanceUids: readonly string[];
  readonly files: readonly string[];
}

export const UID_ROOT = '1.2.826.0.1.3680043.8.498.1000';

/** What a de-identifying store writes (PS3.15 E.1.1). */
export const IDENTITY_REMOVED: readonly Element[] = [
  { tag: 0x00120062, vr: 'CS', value: 'YES' },
  { tag: 0x00120063, vr: 'LO', value: 'as tests do it' },
];
/** Where the UIDs are that it gives. */
const PSEUDO_ROOT = '2.25.113619';

/** A study as a de-identifying store has it, and what the archives know it by. */
export interface DeidentifiedStudy extends MadeStudy {
  readonly original: {
    readonly studyInstanceUid: string;
    readonly mrn: string;
    readonly accession: string;
    /** In the order of `instances`. */
    readonly sopInstanceUids: readonly string[];
  };
}

/** Writes a study as a de-identifying store has it. @param options an `extra` of a series takes the place of the marks */
export async function makeDeidentifiedStudy(
  folder: string,
  options: StudyOptions,
): Promise<DeidentifiedStudy> {
  const { study } = options;
  const made = await makeStudy(folder, {
    uidRoot: PSEUDO_ROOT,
    mrn: `ANON-${study}`,
    accession: `ANONA${study}`,
    patientName: 'ANON',
    extra: IDENTITY_REMOVED,
    ...options,
  });
  const original = (uid: string): string => uid.replace(PSEUDO_ROOT, UID_ROOT);
  return {
    ...made,
    original: {
      studyInstanceUid: original(made.studyInstanceUid),
      mrn: `CANARYM${study}`,
      accession: `CANARYA${study}`,
      sopInstanceUids: made.sopInstanceUids.map(original),
    },
  };
}

/** Writes a study into a folder: one series of three CT images, unless told otherwise. */
export async function makeStudy(folder: string, options: StudyOptions): Promise<MadeStudy> {
  mkdirSync(folder, { recursive: true });
  const { study, uidRoot = UID_ROOT, series = 1, instances: count = 3, ...shared } = options;
  const studyInstanceUid = `${uidRoot}.${study}`;
  const mrn = options.mrn ?? `CANARYM${study}`;
  const accession = options.accession ?? `CANARYA${study}`;
  const kinds: readonly SeriesOptions[] =
    typeof series === 'number' ? Array.from({ length: series }, () => ({})) : series;
  const made: MadeSeries[] = [];
  for (const [index, kind] of kinds.entries()) {
    const seriesNumber = index + 1;
    const seriesInstanceUid = kind.seriesInstanceUid ?? `${studyInstanceUid}.${seriesNumber}`;
    const { instances = count, ...own } = kind;
    const written: MadeInstance[] = [];
    for (let number = 1; number <= instances; number += 1) {
      const sopInstanceUid = `${seriesInstanceUid}.${number}`;
      const file = join(folder, `${study}-${seriesNumber}-${String(number).padStart(5, '0')}.dcm`);
      const instance: InstanceOptions = {
        seed: study * 1000 + seriesNumber * 100 + number,
        seriesNumber,
        ...shared,
        ...own,
        ...{ studyInstanceUid, seriesInstanceUid, sopInstanceUid, mrn, accession, instanceNumber: number },
      };
      await writeInstance(file, instance);
      written.push({ sopInstanceUid, sopClassUid: SOP_CLASSES[instance.sopClass ?? 'CT'], file });
    }
    made.push({ seriesInstanceUid, instances: written });
  }
  const instances = made.flatMap((one) => one.instances);
  return {
    studyInstanceUid,
    mrn,
    accession,
    folder,
    series: made,
    instances,
    sopInstanceUids: instances.map((one) => one.sopInstanceUid),
    files: instances.map((one) => one.file),
  };
}

/** dcmtk's tools keep the SOP instance UID when they compress without loss (+un where the default differs). */
const CONVERTERS: Readonly<Record<TransferSyntaxName, (from: string, to: string) => [string, string[]]>> = {
  explicit: (from, to) => ['dcmconv', ['+te', from, to]],
  implicit: (from, to) => ['dcmconv', ['+ti', from, to]],
  bigEndian: (from, to) => ['dcmconv', ['+tb', from, to]],
  deflated: (from, to) => ['dcmconv', ['+td', from, to]],
  jpegLossless: (from, to) => ['dcmcjpeg', ['+e1', from, to]],
  jpegLs: (from, to) => ['dcmcjpls', ['+el', from, to]],
  rle: (from, to) => ['dcmcrle', [from, to]],
  // dcmtk has no JPEG 2000 encoder; gdcmconv is in Debian's libgdcm-tools
  jpeg2000: (from, to) => ['gdcmconv', ['--j2k', from, to]],
};

/** Writes a copy of a file in another transfer syntax, without loss. */
export async function compress(file: string, out: string, syntax: TransferSyntaxName): Promise<void> {
  const [command, args] = CONVERTERS[syntax](file, out);
  await run(command, args);
}
