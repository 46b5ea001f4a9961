import { randomUUID } from 'node:crypto';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { chestRadiograph, ctChest, ctHead, mrHead, ultrasoundSweep } from './images.js';
import { writeInstance, type Attributes, type Pixels } from './write-instance.js';

/** The folders of the nodes that hold something before the demo begins. */
export interface Folders {
  readonly vna: string;
  readonly pacs: string;
  readonly raw: string;
}

/** A request of the demo, and what is to come of it. */
export interface Story {
  readonly what: string;
  readonly mrn: string;
  readonly accessionNumber: string;
  /** Empty where the cohort does not tell it. */
  readonly studyInstanceUid: string;
  /** Nothing, when no archive has any. */
  readonly studies: readonly DemoStudy[];
  /** How many images raw holds of it already. */
  readonly alreadyInRaw: number;
}

/** A study that was made. */
export interface DemoStudy {
  readonly name: string;
  readonly studyInstanceUid: string;
  readonly images: number;
  /** One of its images, where a node keeps it in its folder. */
  readonly shown: string;
}

interface Series {
  readonly description: string;
  readonly images: readonly Pixels[];
}

interface StudyPlan {
  readonly modality: keyof typeof SOP_CLASSES;
  readonly name: string;
  readonly series: readonly Series[];
}

const SOP_CLASSES = {
  CT: '1.2.840.10008.5.1.4.1.1.2',
  MR: '1.2.840.10008.5.1.4.1.1.4',
  DX: '1.2.840.10008.5.1.4.1.1.1.1',
  US: '1.2.840.10008.5.1.4.1.1.6.1',
} as const;

/** Which parts of an ultrasound image show the body: here all of it (PS3.3 C.8.5.5). */
const MODULES: Partial<Record<keyof typeof SOP_CLASSES, (size: number) => Attributes>> = {
  US: (size) => ({
    SequenceOfUltrasoundRegions: [
      {
        ...{ RegionSpatialFormat: 1, RegionDataType: 1, RegionFlags: 0 },
        ...{ RegionLocationMinX0: 0, RegionLocationMinY0: 0 },
        ...{ RegionLocationMaxX1: size - 1, RegionLocationMaxY1: size - 1 },
        ...{ PhysicalUnitsXDirection: 0, PhysicalUnitsYDirection: 0, PhysicalDeltaX: 0, PhysicalDeltaY: 0 },
      },
    ],
  }),
};

export const STUDY_DATE = '2024-02-29';
const ALREADY_IN_RAW = 4;

/** Makes the studies of the demo's five stories; of the last one there is nothing to make. */
export async function makeStories(folders: Folders): Promise<Story[]> {
  const write = (folder: string, number: number, plan: StudyPlan): Promise<WrittenStudy> =>
    writeStudy(folder, `DEMO${number}`, `ACC${number}`, plan);
  const ct = await write(folders.vna, 1, {
    modality: 'CT',
    name: 'CT head',
    series: [{ description: 'axial', images: ctHead(20) }],
  });
  const mr = await write(folders.pacs, 2, {
    modality: 'MR',
    name: 'MR head',
    series: [
      { description: 'T2', images: mrHead(10, 'T2') },
      { description: 'T1', images: mrHead(10, 'T1') },
    ],
  });
  const us = await write(folders.vna, 3, {
    modality: 'US',
    name: 'US abdomen',
    series: [{ description: 'sweep', images: ultrasoundSweep(12) }],
  });
  for (const file of us.files.slice(0, ALREADY_IN_RAW)) {
    await mkdir(dirname(join(folders.raw, file)), { recursive: true });
    await copyFile(join(folders.vna, file), join(folders.raw, file));
  }
  const radiograph = await write(folders.vna, 4, {
    modality: 'DX',
    name: 'chest radiograph',
    series: [
      { description: 'PA', images: [chestRadiograph('front')] },
      { description: 'lateral', images: [chestRadiograph('side')] },
    ],
  });
  const chest = await write(folders.vna, 4, {
    modality: 'CT',
    name: 'CT chest',
    series: [{ description: 'axial', images: ctChest(14) }],
  });
  return [
    story('in the VNA', 1, [ct]),
    story('only in the PACS', 2, [mr]),
    { ...story(`${ALREADY_IN_RAW} of its images in raw already`, 3, [us]), alreadyInRaw: ALREADY_IN_RAW },
    { ...story('two studies under one accession number', 4, [radiograph, chest]), studyInstanceUid: '' },
    { ...story('in neither archive', 5, []), studyInstanceUid: newUid() },
  ];
}

function story(what: string, number: number, studies: readonly WrittenStudy[]): Story {
  return {
    what,
    mrn: `DEMO${number}`,
    accessionNumber: `ACC${number}`,
    studyInstanceUid: studies[0]?.studyInstanceUid ?? '',
    studies,
    alreadyInRaw: 0,
  };
}

interface WrittenStudy extends DemoStudy {
  readonly files: readonly string[];
}

/** Puts a study where a node looks for it at its start: STUDY/SERIES/INSTANCE.dcm. */
async function writeStudy(
  folder: string,
  mrn: string,
  accession: string,
  { modality, name, series }: StudyPlan,
): Promise<WrittenStudy> {
  const studyInstanceUid = newUid();
  const files: string[] = [];
  for (const [seriesIndex, { description, images }] of series.entries()) {
    const seriesInstanceUid = newUid();
    await mkdir(join(folder, studyInstanceUid, seriesInstanceUid), { recursive: true });
    for (const [index, pixels] of images.entries()) {
      const sopInstanceUid = newUid();
      const attributes = {
        SOPClassUID: SOP_CLASSES[modality],
        SOPInstanceUID: sopInstanceUid,
        StudyDate: STUDY_DATE.replaceAll('-', ''),
        StudyTime: '093000',
        AccessionNumber: accession,
        Modality: modality,
        StudyDescription: name,
        SeriesDescription: description,
        PatientName: `Demo^${mrn}`,
        PatientID: mrn,
        PatientSex: 'O',
        ...MODULES[modality]?.(pixels.size),
        // Where nobody looks for it, and where the profile keeps what it finds.
        WindowCenterWidthExplanation: `as ${mrn} was seen`,
        StudyInstanceUID: studyInstanceUid,
        SeriesInstanceUID: seriesInstanceUid,
        SeriesNumber: seriesIndex + 1,
        InstanceNumber: index + 1,
      };
      const file = join(studyInstanceUid, seriesInstanceUid, `${sopInstanceUid}.dcm`);
      await writeInstance(join(folder, file), attributes, pixels);
      files.push(file);
    }
  }
  const shown = files[Math.floor((series[0]?.images.length ?? 0) / 2)] ?? '';
  return { name, studyInstanceUid, images: files.length, shown, files };
}

/** A UID made of a UUID (PS3.5 B.2). */
function newUid(): string {
  return `2.25.${BigInt(`0x${randomUUID().replaceAll('-', '')}`)}`;
}
