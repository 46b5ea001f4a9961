export { deidentify, type DeidentifiedInstance, type Deidentifier } from './deidentification.js';
export { InstanceExcludedError } from './errors.js';
export type { Identity } from './identity.js';
export { allowListProfile, type AllowList } from './pixl/allow-list.js';
export type { ManufacturerOverride, Operation, TagOperation } from './pixl/tag-operations.js';
export type { Action, ElementPlace, MethodCode, Profile } from './profile.js';
export { basicProfile, type BasicProfileOptions, type SafePrivateElement } from './ps3.15/basic-profile.js';
export { OPTIONS, type ProfileOption } from './ps3.15/options.js';
export { MIN_SECRET_LENGTH, ProjectPseudonyms, type Pseudonym } from './pseudonyms.js';
