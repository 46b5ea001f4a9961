import { startDcmqrscp, type Dcmqrscp } from './dcmqrscp.js';
import { sharedByAll } from './long-lived.js';
import { startOrthanc, type Orthanc } from './orthanc.js';
import { freePorts } from './ports.js';

/** The peers of one deployment: two archives and two research stores, as they come. */
export interface Lab {
  readonly vna: Dcmqrscp;
  readonly pacs: Dcmqrscp;
  readonly raw: Orthanc;
  readonly anon: Orthanc;
  /** A move destination of the archives where nothing listens. */
  readonly dead: { readonly aeTitle: string; readonly port: number };
  /** Empties raw and anon; forgets what the archives logged. What the archives hold stays. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

export interface LabOptions {
  /** Further destinations that the archives know. */
  readonly peers?: readonly { readonly aeTitle: string; readonly port: number }[];
  /** For the environment of all four, e.g. `TCP_NODELAY: '1'`. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a lab of one's own, all four at once. */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const [vnaPort, pacsPort, rawPort, anonPort, deadPort] = await freePorts(5);
  const dead = { aeTitle: 'DEADAET', port: deadPort! };
  const peers = [
    { aeTitle: 'ORTHANC_RAW', port: rawPort! },
    { aeTitle: 'ORTHANC_ANON', port: anonPort! },
    dead,
    ...(options.peers ?? []),
  ];
  const env = options.env === undefined ? {} : { env: options.env };
  const starting = [
    startDcmqrscp({ aeTitle: 'VNA', port: vnaPort!, peers, ...env }),
    startDcmqrscp({ aeTitle: 'PACS', port: pacsPort!, peers, ...env }),
    startOrthanc({ aeTitle: 'ORTHANC_RAW', port: rawPort!, modalities: peers, ...env }),
    startOrthanc({ aeTitle: 'ORTHANC_ANON', port: anonPort!, modalities: peers, ...env }),
  ] as const;
  const close = async (): Promise<void> => {
    const started = await Promise.allSettled(starting);
    await Promise.all(started.flatMap((one) => (one.status === 'fulfilled' ? [one.value.close()] : [])));
  };
  try {
    const [vna, pacs, raw, anon] = await Promise.all(starting);
    return {
      ...{ vna, pacs, raw, anon, dead, close },
      reset: async () => {
        vna.clearLog();
        pacs.clearLog();
        await Promise.all([raw.deleteAll(), anon.deleteAll()]);
      },
    };
  } catch (cause) {
    await close();
    throw new Error('the lab did not start', { cause });
  }
}

/** The lab that all tests of this mocha process share. */
export const sharedLab = sharedByAll(
  'the shared lab',
  () => startLab(),
  (lab) => lab.close(),
);
