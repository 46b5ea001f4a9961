import { startDcmqrscp } from './dcmqrscp.js';
import type { DicomSource } from './dicom-read.js';
import { sharedLab } from './lab.js';
import { startOrthanc, type Orthanc } from './orthanc.js';
import type { Site, SiteStore } from './site.js';

/** The shared lab: dcmqrscp archives, Orthanc stores. */
export async function realSite(): Promise<Site> {
  const lab = await sharedLab();
  return {
    vna: lab.vna,
    pacs: lab.pacs,
    raw: orthancStore(lab.raw),
    anon: orthancStore(lab.anon),
    startArchive: startDcmqrscp,
    startStore: async (options) => orthancStore(await startOrthanc(options)),
    reset: () => lab.reset(),
  };
}

/** An Orthanc, looked into by its REST API. */
export function orthancStore(orthanc: Orthanc): SiteStore {
  const { aeTitle, host, port } = orthanc;
  return {
    ...{ aeTitle, host, port },
    load: (filesOrFolders) => orthanc.load(filesOrFolders),
    sopInstanceUids: () => orthanc.sopInstanceUids(),
    stored: async () => {
      const stored = new Map<string, DicomSource>();
      for (const { id, sopInstanceUid } of await orthanc.instances())
        stored.set(sopInstanceUid, await orthanc.instanceFile(id));
      return stored;
    },
    copy: async (sopInstanceUid, file) => {
      const instance = (await orthanc.instances()).find((one) => one.sopInstanceUid === sopInstanceUid);
      if (instance === undefined) throw new Error('no such instance');
      await orthanc.downloadInstance(instance.id, file);
    },
    close: () => orthanc.close(),
  };
}
