import { readFileSync } from 'node:fs';
import {
  IDENTIFIER_TRANSFER_SYNTAXES,
  STUDY_ROOT_FIND,
  STUDY_ROOT_GET,
  STUDY_ROOT_MOVE,
  VERIFICATION,
  withAssociation,
  type Association,
  type ContextProposal,
} from '../../src/dimse/index.js';
import { cStoreAll, type OutgoingInstance } from '../../src/dimse/scu/c-store.js';
import { readDicomHead } from './dicom-read.js';
import type { NodeAddress } from './dcmtk.js';
import { PATIENCE, TIMEOUTS } from './scripted-scp.js';

const CONTROL: readonly ContextProposal[] = [
  VERIFICATION,
  STUDY_ROOT_FIND,
  STUDY_ROOT_MOVE,
  STUDY_ROOT_GET,
].map((abstractSyntax) => ({ abstractSyntax, transferSyntaxes: IDENTIFIER_TRANSFER_SYNTAXES }));

/** An instance to be stored: its bytes as DIMSE carries them, and what the command says of it. */
export interface Sent {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly dataSet: Buffer;
}

/** The instance of a file. */
export function sentFrom(file: string): Sent {
  const bytes = readFileSync(file);
  const head = readDicomHead(bytes);
  return {
    sopClassUid: head.sopClassUid,
    sopInstanceUid: head.sopInstanceUid,
    transferSyntaxUid: head.transferSyntax,
    dataSet: even(bytes.subarray(head.dataSetStart)),
  };
}

/** dcmconv does not pad deflated data sets (PS3.5 A.5), and DCMTK takes none that are odd. */
function even(dataSet: Buffer): Buffer {
  return dataSet.length % 2 === 0 ? dataSet : Buffer.concat([dataSet, Buffer.alloc(1)]);
}

/** Does `work` on an association with a node, with contexts for queries, retrievals and what is named. */
export function onAssociation<T>(
  node: NodeAddress,
  work: (association: Association) => Promise<T>,
  contexts: readonly ContextProposal[] = [],
): Promise<T> {
  return withAssociation(
    { callingAeTitle: 'PIXL', timeouts: TIMEOUTS, node, contexts: [...CONTROL, ...contexts] },
    work,
  );
}

/** C-STOREs instances one after another. @returns the statuses in their order */
export async function storeOn(
  node: NodeAddress,
  instances: readonly Sent[],
  onStored: (instance: Sent, status: number) => void = () => undefined,
): Promise<number[]> {
  const pairs = new Map(
    instances.map(({ sopClassUid: abstractSyntax, transferSyntaxUid }) => [
      `${abstractSyntax} ${transferSyntaxUid}`,
      { abstractSyntax, transferSyntaxes: [transferSyntaxUid] },
    ]),
  );
  const statuses: number[] = [];
  await onAssociation(
    node,
    async (association) => {
      const outgoing = instances.map(({ dataSet, transferSyntaxUid, ...rest }): OutgoingInstance => {
        const context = association.findContext(rest.sopClassUid, transferSyntaxUid);
        if (context === null) throw new Error('the node takes no such context');
        return { ...rest, context, dataSet: streamOf([dataSet]) };
      });
      await cStoreAll(association, streamOf(outgoing), {
        silenceMs: PATIENCE,
        earlyCommand: false,
        onResponse: (_, status) => {
          onStored(instances[statuses.length]!, status);
          statuses.push(status);
        },
      });
    },
    [...pairs.values()],
  );
  return statuses;
}

async function* streamOf<T>(items: readonly T[]): AsyncGenerator<T, void, undefined> {
  for (const item of items) yield await Promise.resolve(item);
}
