/** Whether a deployment is sound, and what to mend where it is not. Changes nothing anywhere. */
export { examine, type Check, type Examined, type Finding } from './check.js';
export { deploymentChecks, type DoctorParts } from './checks.js';
export { examinedConfiguration } from './configuration.js';
export type { DaemonAnswer } from './http-check.js';
