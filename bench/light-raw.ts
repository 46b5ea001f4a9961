import { once } from 'node:events';
import { endModule, startModule } from './worker.js';

/** What is told to the process; it answers when it is done. */
export interface Forget {
  /** null = all. */
  readonly studyInstanceUids: readonly string[] | null;
}

/** A raw that costs little, in a process of its own: our embedded node, with nothing kept but what queries ask for. */
export interface LightRaw {
  readonly aeTitle: string;
  readonly port: number;
  readonly pid: number;
  forget(studyInstanceUids: readonly string[]): Promise<void>;
  deleteAll(): Promise<void>;
  close(): Promise<void>;
}

export async function startLightRaw(aeTitle: string): Promise<LightRaw> {
  const [child, port] = await startModule('light-raw-main', {}, [aeTitle]);
  if (child.pid === undefined) throw new Error('a light raw without a process');
  const tell = async (what: Forget): Promise<void> => {
    const done = once(child, 'message');
    child.send(what);
    await done;
  };
  return {
    aeTitle,
    port: port as number,
    pid: child.pid,
    forget: (studyInstanceUids) => tell({ studyInstanceUids }),
    deleteAll: () => tell({ studyInstanceUids: null }),
    close: () => endModule(child),
  };
}
