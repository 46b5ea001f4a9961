export { Association, withAssociation } from './association.js';
export {
  MAX_PRESENTATION_CONTEXTS,
  nodeName,
  type AcceptedContext,
  type AssociationOptions,
  type AssociationTimeouts,
  type ContextProposal,
  type DicomNode,
} from './negotiation.js';
export { tagText } from './data-set/dictionary.js';
export { encodeElement, encodeHeader, EXPLICIT_LE, padded } from './data-set/encoding.js';
export { encodeFileMeta, type FileMeta } from './data-set/file-meta.js';
export { inspected, type DataSetInspector } from './data-set/inspected.js';
export type { TextKind, TextValue } from './data-set/values-in.js';
export * from './errors.js';
export { exclusionComment, exclusionRule } from './message/exclusion.js';
export {
  describeStatus,
  isPending,
  isStorageWarning,
  isWarning,
  retryOfStatus,
  Status,
  type DimseOperation,
} from './message/status.js';
export { NodeClient, type NodeClientOptions, type TransferPlace } from './node-client.js';
export {
  findInstances,
  findSeries,
  findStudies,
  someStudies,
  type InstanceMatch,
  type Answers,
  type SeriesMatch,
  type StudyMatch,
  type StudyQuery,
} from './queries.js';
export type { DimseObserver } from './message/outstanding.js';
export { relay, type RelayOptions } from './relay.js';
export { cEcho } from './scu/c-echo.js';
export { cGet, type IncomingInstance } from './scu/c-get.js';
export { cStoreAll, type OutgoingInstance } from './scu/c-store.js';
export { cMove, type MoveOptions } from './scu/c-move.js';
export type { RetrieveResult, RetrieveSelection, SubOperations } from './scu/retrieve.js';
export { IDENTIFIER_TRANSFER_SYNTAXES } from './message/identifier.js';
export {
  EXPLICIT_LITTLE_ENDIAN,
  isCompressed,
  RARE_TRANSFER_SYNTAXES,
  STORAGE_TRANSFER_SYNTAXES,
  STUDY_ROOT_FIND,
  STUDY_ROOT_GET,
  STUDY_ROOT_MOVE,
  VERIFICATION,
} from './sop-classes.js';
export { STORAGE_CLASSES } from './storage-classes.js';
export { NODE_RIGHTS, type NodeCaller, type NodeRight } from './scp/callers.js';
export { FileStore } from './scp/file-store.js';
export type { ReceivedInstance } from './scp/incoming-file.js';
export type { InstanceStore } from './scp/instance-store.js';
export { DicomFile } from './scp/part10.js';
export type { StoredInstance } from './scp/stored-instance.js';
export { serveStore, startNode, type NodeOptions, type NodeTls, type RunningNode } from './scp/node.js';
export type { NodeTimeouts } from './scp/operation.js';
export type { TlsSettings } from './upper-layer/transport.js';
