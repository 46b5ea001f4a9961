export {
  AlreadyExportedError,
  ExportIncompleteError,
  FtpsConnectionError,
  FtpsLoginError,
  FtpsReplyError,
  FtpsSizeError,
  FtpsStorageFullError,
  FtpsTlsError,
  NotAnonymisedError,
  NotInProjectError,
  type FtpsTlsProblem,
} from './errors.js';
export {
  checkSafeHaven,
  ftpsPeer,
  withSafeHaven,
  type FtpsSettings,
  type SafeHaven,
  type SafeHavenOptions,
} from './ftps.js';
export { remotePath, type RemotePath } from './remote-path.js';
export { zipStream, type ZipEntries, type ZipStream } from './zip-stream.js';
