import { extractAndImage } from './0001-extract-and-image.js';
import { transferAndSetting } from './0002-transfer-and-setting.js';
import { delivered } from './0003-delivered.js';
import { acknowledged } from './0004-acknowledged.js';
import { excluded } from './0005-excluded.js';
import { exported } from './0006-exported.js';
import type { Migration } from './migration.js';

/** All steps, in their order. */
export const MIGRATIONS: readonly Migration[] = [
  extractAndImage,
  transferAndSetting,
  delivered,
  acknowledged,
  excluded,
  exported,
];
