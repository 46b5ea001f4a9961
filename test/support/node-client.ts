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
import { cStoreAll } from '../../src/dimse/scu/c-store.js';
import { readDicomHead } from './dicom-read.js';
import type { TestNode } from './node.js';
import { optionsFor, PATIENCE } from './scripted-scp.js';

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
    transferSyntaxUid: head.transferSyntaxUid,
    dataSet: bytes.subarray(head.datasetStart),
  };
}

/** Does `work` on an association with a node, with contexts for queries, retrievals and what is named. */
export function onAssociation<T>(
  node: Pick<TestNode, 'aeTitle' | 'host' | 'port'>,
  work: (association: Association) => Promise<T>,
  contexts: readonly ContextProposal[] = [],
): Promise<T> {
  return withAssociation({ ...optionsFor(node), node, contexts: [...CONTROL, ...contexts] }, work);
}

/** C-STOREs instances one after another. @returns the statuses in their order */
export async function storeOn(
  node: Pick<TestNode, 'aeTitle' | 'host' | 'port'>,
  instances: readonly Sent[],
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
      async function* outgoing(): AsyncGenerator<Parameters<typeof cStoreAll>[1] extends AsyncIterable<infer I> ? I : never> {
        for (const { dataSet, transferSyntaxUid, ...rest } of instances) {
          const context = association.findContext(rest.sopClassUid, transferSyntaxUid);
          if (context === null) throw new Error('the node takes no such context');
          yield await Promise.resolve({
            ...rest,
            context,
            dataSet: (async function* () {
              yield await Promise.resolve(dataSet);
            })(),
          });
        }
      }
      await cStoreAll(association, outgoing(), {
        silenceMs: PATIENCE,
        earlyCommand: false,
        onResponse: (_, status) => statuses.push(status),
      });
    },
    [...pairs.values()],
  );
  return statuses;
}
