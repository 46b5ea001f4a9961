import type { Target } from '../target.js';
import { commandSet } from './command-set.js';
import { csv } from './csv.js';
import { dataSet } from './data-set.js';
import { deidentify } from './deidentify.js';
import { httpBody } from './http-body.js';
import { identifier } from './identifier.js';
import { message } from './message.js';
import { parquet } from './parquet.js';
import { pdu } from './pdu.js';

/** All that bytes from outside come to first. */
export const targets: readonly Target[] = [
  pdu,
  commandSet,
  identifier,
  dataSet,
  deidentify,
  message,
  httpBody,
  csv,
  parquet,
];
