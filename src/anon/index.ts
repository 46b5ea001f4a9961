export { DeidentifyingStore } from './deidentifying-store.js';
export { DeidentificationKeyError } from './errors.js';
export { requireKeyOfDatabase, requireKeyOfFolder } from './key-of-store.js';
export { askedOnce, keepsNoPseudonyms, type KnownPseudonyms } from './known-pseudonyms.js';
export { RulesOfProjects, type ProjectRules, type ProjectRulesOptions } from './project-rules.js';
