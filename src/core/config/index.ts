export {
  secondaryArchive,
  type Config,
  type DatabaseConfig,
  type FtpsConfig,
  type NodeConfig,
  type NodeName,
  type RabbitMqConfig,
  type ServerTlsConfig,
  type TlsConfig,
} from './config.js';
export { ConfigurationError, type ConfigurationFault } from './configuration-error.js';
export { readDotEnv, withDotEnv } from './dotenv.js';
export { pixlRemarks, type PixlRemark } from './from-pixl.js';
export { renderConfigurationPage, renderEnvSample } from './documents.js';
export type { Environment } from './environment-reader.js';
export { isLoopback, loadConfig, type Need } from './load.js';
export type { Variable } from './variable.js';
export { allVariables } from './variables.js';
