import { createRequire } from 'node:module';
import type dcmjs from 'dcmjs';
import type dcmjsDimse from 'dcmjs-dimse';

/** What is used of dcmjs and of dcmjs-dimse. */
export interface DcmjsLibraries {
  readonly Dataset: typeof dcmjsDimse.Dataset;
  readonly DicomMetaDictionary: typeof dcmjs.data.DicomMetaDictionary;
}

let loaded: DcmjsLibraries | undefined;

/**
 * Loaded for the first answer with elements that nobody here asks for: their dictionary takes as long as all the rest of a
 * start. Both print what they meet, values included, to the console: they are silenced before anything is given to them.
 */
export function dcmjsLibraries(): DcmjsLibraries {
  loaded ??= load();
  return loaded;
}

function load(): DcmjsLibraries {
  const require = createRequire(import.meta.url);
  const dimse = require('dcmjs-dimse') as typeof dcmjsDimse;
  dimse.log.setLevel('silent');
  // An import would give another copy of dcmjs, with another log, than the one that dcmjs-dimse requires.
  const { data, log } = require('dcmjs') as typeof dcmjs;
  log.setLevel('silent');
  // It does not follow the other one.
  log.getLogger('validation.dcmjs').setLevel('silent');
  return { Dataset: dimse.Dataset, DicomMetaDictionary: data.DicomMetaDictionary };
}
