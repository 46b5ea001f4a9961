export {
  embeddedSettings,
  isEmbeddedServed,
  startEmbeddedServer,
  type EmbeddedServer,
  type EmbeddedServerOptions,
} from './embedded-server.js';
export { EmbeddedDatabaseError, EmbeddedFolderInUseError } from './errors.js';
