import type { NodeConfig } from '../core/config/index.js';
import type { StudyInstanceUid } from '../core/ids.js';
import {
  cEcho,
  cGet,
  findStudies,
  IDENTIFIER_TRANSFER_SYNTAXES,
  Status,
  STORAGE_CLASSES,
  STORAGE_TRANSFER_SYNTAXES,
  STUDY_ROOT_FIND,
  STUDY_ROOT_GET,
  STUDY_ROOT_MOVE,
  type Association,
  type NodeClient,
} from '../dimse/index.js';
import { sound, wrong, type Check } from './check.js';
import { nodeMend } from './node-mends.js';

/** A node with what it is asked by. */
export interface ExaminedNode {
  readonly node: NodeConfig;
  readonly client: NodeClient;
  /** Our own AE title. */
  readonly ours: string;
  /** The longest silence of the node. */
  readonly queryTimeoutMs: number;
}

/** No study has it: made once from a UUID (PS3.5 B.2). To ask for it finds nothing and moves nothing. */
export const UNUSED_STUDY = '2.25.252806475110498637432154880267811493733' as StudyInstanceUid;

/** Without these a research store is none: CR, CT, MR, US, XA, NM, PET, SC, mammography and DX for presentation (PS3.4 B.5). */
const USUAL_IMAGE_CLASSES = ['1', '2', '4', '6.1', '12.1', '20', '128', '7', '1.2', '1.1'].map(
  (arc) => `1.2.840.10008.5.1.4.1.1.${arc}`,
);
const CT_IMAGE = '1.2.840.10008.5.1.4.1.1.2';

export function echoCheckName({ name }: Pick<NodeConfig, 'name'>): string {
  return `${name}: C-ECHO`;
}

export function queryCheckName({ name }: Pick<NodeConfig, 'name'>): string {
  return name === 'raw' ? 'raw: query and C-GET' : `${name}: query and retrieve`;
}

/** Is it there, and does it take our association and answer? */
export function echoCheck({ node, client, ours, queryTimeoutMs }: ExaminedNode): Check {
  return {
    name: echoCheckName(node),
    run: (signal) =>
      client.withQueryRetrieve(async (association) => {
        const startedAt = performance.now();
        await cEcho(association, queryTimeoutMs);
        return sound(`${client.name} answers in ${Math.round(performance.now() - startedAt)} ms`);
      }, signal),
    mendOf: nodeMend(node, ours, 'C-ECHO'),
  };
}

/** Does an archive let us look for studies and ask for moves? */
export function archiveQueryCheck({ node, client, ours, queryTimeoutMs }: ExaminedNode): Check {
  return {
    name: queryCheckName(node),
    after: [echoCheckName(node)],
    run: (signal) =>
      client.withQueryRetrieve(async (association) => {
        for (const model of [STUDY_ROOT_FIND, STUDY_ROOT_MOVE]) association.requireContext(model);
        await findStudies(association, { studyInstanceUid: UNUSED_STUDY }, queryTimeoutMs);
        return sound('takes C-FIND and C-MOVE (Study Root)');
      }, signal),
    mendOf: nodeMend(node, ours, 'C-FIND and C-MOVE'),
  };
}

/** Does raw tell what it holds, and give it by C-GET? For each storage class it must take us as SCP (PS3.7 D.3.3.4). */
export function rawQueryCheck({ node, client, ours, queryTimeoutMs }: ExaminedNode): Check {
  const mendOf = nodeMend(node, ours, 'C-FIND and C-GET');
  return {
    name: queryCheckName(node),
    after: [echoCheckName(node)],
    run: async (signal) => {
      await client.withQueryRetrieve(
        (association) => findStudies(association, { studyInstanceUid: UNUSED_STUDY }, queryTimeoutMs),
        signal,
      );
      const get = { abstractSyntax: STUDY_ROOT_GET, transferSyntaxes: IDENTIFIER_TRANSFER_SYNTAXES };
      const asScp = STORAGE_CLASSES.map((abstractSyntax) => ({
        abstractSyntax,
        transferSyntaxes: STORAGE_TRANSFER_SYNTAXES,
        asScp: true,
      }));
      const lacking = await client.withAssociation(
        [get, ...asScp],
        async (association) => {
          await getNothing(association, queryTimeoutMs);
          return STORAGE_CLASSES.filter((uid) => !association.isScpOf(uid));
        },
        signal,
      );
      const usual = lacking.filter((uid) => USUAL_IMAGE_CLASSES.includes(uid));
      if (usual.length > 0)
        return wrong(
          `takes C-GET, but does not take us as SCP of ${usual.join(', ')}`,
          `let ${node.aeTitle} accept SCP role selection for the storage classes, or use a raw store that does`,
        );
      return sound(`takes C-FIND and C-GET${exceptFor(lacking)}`);
    },
    mendOf,
  };
}

/** Whatever it answers: a node that does not let us would have ended the association. */
async function getNothing(association: Association, silenceMs: number): Promise<void> {
  const nothing = { level: 'STUDY', studyInstanceUid: UNUSED_STUDY } as const;
  await cGet(association, nothing, () => Promise.resolve(Status.SopClassNotSupported), silenceMs);
}

/** Does a store take what is to be sent to it? Told by what it negotiates: nothing is sent. */
export function storageCheck({ node, client, ours }: ExaminedNode): Check {
  return {
    name: `${node.name}: storage`,
    after: [echoCheckName(node)],
    run: async (signal) => {
      const classes = await client.withAssociation(
        STORAGE_CLASSES.map((abstractSyntax) => ({
          abstractSyntax,
          transferSyntaxes: STORAGE_TRANSFER_SYNTAXES,
        })),
        (association) => Promise.resolve(acceptedClasses(association)),
        signal,
      );
      const refused = STORAGE_CLASSES.filter((uid) => !classes.has(uid));
      const usual = refused.filter((uid) => USUAL_IMAGE_CLASSES.includes(uid));
      if (usual.length > 0)
        return wrong(
          `takes no C-STORE of ${usual.join(', ')}`,
          `allow C-STORE of every storage class at ${node.aeTitle} (Orthanc: AllowStore in its DicomModalities, UnknownSopClassAccepted)`,
        );
      const syntaxes = await client.withAssociation(
        STORAGE_TRANSFER_SYNTAXES.map((syntax) => ({
          abstractSyntax: CT_IMAGE,
          transferSyntaxes: [syntax],
        })),
        (association) => Promise.resolve(acceptedSyntaxes(association)),
        signal,
      );
      return sound(
        `negotiates C-STORE of ${classes.size} of ${STORAGE_CLASSES.length} storage classes${exceptFor(refused)}, ` +
          `CT in ${syntaxes} of ${STORAGE_TRANSFER_SYNTAXES.length} transfer syntaxes`,
      );
    },
    mendOf: nodeMend(node, ours, 'C-STORE'),
  };
}

function acceptedClasses(association: Association): Set<string> {
  return new Set([...association.contexts].map(({ abstractSyntax }) => abstractSyntax));
}

function acceptedSyntaxes(association: Association): number {
  return new Set([...association.contexts].map(({ transferSyntax }) => transferSyntax)).size;
}

function exceptFor(classes: readonly string[]): string {
  return classes.length === 0 ? '' : ` (not ${classes.join(', ')})`;
}
