import type { ArchiveAnswer } from '../../core/breaker.js';
import { PixlError, TimeoutError } from '../../core/errors.js';
import type { NodeTrouble } from '../../core/outcome.js';
import {
  AssociationAbortedError,
  AssociationRejectedError,
  ConnectionError,
  DimseStatusError,
  Status,
  TlsError,
} from '../../dimse/index.js';
import { OUT_OF_RESOURCES } from './retrieve.js';
import type { Work } from './study.js';

/** What an error says of one of the nodes; null when it is about this one message, or about nothing that is known. */
export function troubleOf(
  error: unknown,
  { archive, parts }: Pick<Work, 'archive' | 'parts'>,
): NodeTrouble | null {
  if (!(error instanceof PixlError) || !('peer' in error)) return null;
  const nodes = { archive: archive.client, raw: parts.raw, anon: parts.anon } as const;
  const node = (['archive', 'raw', 'anon'] as const).find((name) => nodes[name]?.name === error.peer);
  const kind = kindOf(error);
  return node === undefined || kind === null ? null : { node, kind };
}

/** What an error says of the node of that name; null when it says nothing of it. */
export function nodeTroubleKind(error: unknown, peer: string): NodeTrouble['kind'] | null {
  if (!(error instanceof PixlError) || !('peer' in error) || error.peer !== peer) return null;
  return kindOf(error);
}

function kindOf(error: PixlError): NodeTrouble['kind'] | null {
  if (error instanceof ConnectionError) return error.whileConnecting ? 'down' : 'lost';
  if (error instanceof AssociationAbortedError) return 'lost';
  if (error instanceof TimeoutError)
    return error.operation === 'connect' || error.operation === 'A-ASSOCIATE' ? 'down' : null;
  if (error instanceof AssociationRejectedError) return error.retry === 'later' ? 'rejected' : 'refuses';
  if (error instanceof TlsError) return 'refuses';
  if (error instanceof DimseStatusError && error.operation === 'C-MOVE')
    return error.status === Status.MoveDestinationUnknown ? 'refuses' : null;
  return null;
}

/** How the archive took the work that ended in an error. */
export function answerOf(
  error: unknown,
  trouble: NodeTrouble | null,
  { archive }: Pick<Work, 'archive'>,
): ArchiveAnswer {
  if (trouble?.node === 'archive' && trouble.kind !== 'lost') return trouble.kind;
  const isFull =
    error instanceof DimseStatusError &&
    error.peer === archive.client.name &&
    OUT_OF_RESOURCES.has(error.status);
  return isFull ? 'congested' : 'ok';
}
