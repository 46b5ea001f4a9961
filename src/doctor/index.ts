/**
 * Whether a deployment is sound, and what to mend where it is not. Two checks change something: an archive may move an image to
 * raw, and anon is given a made one.
 */
export { examine, type Check, type Examined, type Finding } from './check.js';
export { deploymentChecks, type DoctorParts } from './checks.js';
export { examinedConfiguration } from './configuration.js';
export type { ReadProjects } from './file-checks.js';
export { examinedPixlEnvironment } from './from-pixl.js';
export type { EmbeddedParts } from './embedded-checks.js';
export type { DaemonAnswer } from './http-check.js';
