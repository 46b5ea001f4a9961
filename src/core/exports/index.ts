export {
  FtpsConnectionError,
  FtpsLoginError,
  FtpsReplyError,
  FtpsSizeError,
  FtpsStorageFullError,
  FtpsTlsError,
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
