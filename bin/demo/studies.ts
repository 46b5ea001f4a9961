import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chestRadiograph, ctChest, ctHead, mrHead, ultrasoundSweep } from './images.js';
import { writeInstance, type Pixels } from './write-instance.js';

/** Where the instances of a study are before the demo begins. */
export type Place = 'vna' | 'pacs' | 'raw';

/** A study of the demo, written into `folder`. */
export interface DemoStudy {
  readonly story: string;
  readonly mrn: string;
  readonly accessionNumber: string;
  readonly studyDate: string;
  /** Empty where the cohort does not tell it. */
  readonly studyInstanceUid: string;
  /** The files, by where they are put; a file may be in two places. */
  readonly files: Readonly<Record<Place, readonly string[]>>;
}

interface Series {
  readonly description: string;
  readonly images: readonly Pixels[];
}

interface StudyPlan {
  readonly modality: keyof typeof SOP_CLASSES;
  readonly description: string;
  readonly series: readonly Series[];
}

const SOP_CLASSES = {
  CT: '1.2.840.10008.5.1.4.1.1.2',
  MR: '1.2.840.10008.5.1.4.1.1.4',
  DX: '1.2.840.10008.5.1.4.1.1.1.1',
  US: '1.2.840.10008.5.1.4.1.1.6.1',
} as const;

const STUDY_DATE = '2024-02-29';
const ALREADY_IN_RAW = 4;

/** Makes the studies of the demo's five stories; of the last one there is nothing to make. */
export async function makeStudies(folder: string): Promise<DemoStudy[]> {
  const ct = await write(join(folder, 'ct-head'), 'DEMO1', 'ACC1', {
    modality: 'CT',
    description: 'CT head',
    series: [{ description: 'axial', images: ctHead(20) }],
  });
  const mr = await write(join(folder, 'mr-head'), 'DEMO2', 'ACC2', {
    modality: 'MR',
    description: 'MR head',
    series: [
      { description: 'T1', images: mrHead(10, 'T1') },
      { description: 'T2', images: mrHead(10, 'T2') },
    ],
  });
  const us = await write(join(folder, 'us-abdomen'), 'DEMO3', 'ACC3', {
    modality: 'US',
    description: 'US abdomen',
    series: [{ description: 'sweep', images: ultrasoundSweep(12) }],
  });
  const radiograph = await write(join(folder, 'dx-chest'), 'DEMO4', 'ACC4', {
    modality: 'DX',
    description: 'Chest radiograph',
    series: [
      { description: 'PA', images: [chestRadiograph('front')] },
      { description: 'lateral', images: [chestRadiograph('side')] },
    ],
  });
  const chest = await write(join(folder, 'ct-chest'), 'DEMO4', 'ACC4', {
    modality: 'CT',
    description: 'CT chest',
    series: [{ description: 'axial', images: ctChest(14) }],
  });
  const wish = (
    story: string,
    number: number,
    uid: string,
    files: Partial<DemoStudy['files']>,
  ): DemoStudy => ({
    story,
    mrn: `DEMO${number}`,
    accessionNumber: `ACC${number}`,
    studyDate: STUDY_DATE,
    studyInstanceUid: uid,
    files: { vna: [], pacs: [], raw: [], ...files },
  });
  return [
    wish('in the VNA', 1, ct.uid, { vna: ct.files }),
    wish('only in the PACS', 2, mr.uid, { pacs: mr.files }),
    wish(`${ALREADY_IN_RAW} of its images in raw already`, 3, us.uid, {
      vna: us.files,
      raw: us.files.slice(0, ALREADY_IN_RAW),
    }),
    wish('two studies under one accession number', 4, '', { vna: [...radiograph.files, ...chest.files] }),
    wish('in neither archive', 5, newUid(), {}),
  ];
}

async function write(
  folder: string,
  mrn: string,
  accession: string,
  { modality, description, series }: StudyPlan,
): Promise<{ uid: string; files: string[] }> {
  await mkdir(folder, { recursive: true });
  const uid = newUid();
  const files: string[] = [];
  for (const [seriesIndex, { description: seriesDescription, images }] of series.entries()) {
    const seriesInstanceUid = newUid();
    for (const [index, pixels] of images.entries()) {
      const file = join(folder, `${seriesIndex + 1}-${String(index + 1).padStart(3, '0')}.dcm`);
      const attributes = {
        SOPClassUID: SOP_CLASSES[modality],
        SOPInstanceUID: newUid(),
        StudyDate: STUDY_DATE.replaceAll('-', ''),
        StudyTime: '093000',
        AccessionNumber: accession,
        Modality: modality,
        StudyDescription: description,
        SeriesDescription: seriesDescription,
        PatientName: `Demo^${mrn}`,
        PatientID: mrn,
        PatientSex: 'O',
        StudyInstanceUID: uid,
        SeriesInstanceUID: seriesInstanceUid,
        SeriesNumber: seriesIndex + 1,
        InstanceNumber: index + 1,
      };
      await writeInstance(file, attributes, pixels);
      files.push(file);
    }
  }
  return { uid, files };
}

/** A UID made of a UUID (PS3.5 B.2). */
function newUid(): string {
  return `2.25.${BigInt(`0x${randomUUID().replaceAll('-', '')}`)}`;
}
