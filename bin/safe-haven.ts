import { readFileSync } from 'node:fs';
import type { FtpsConfig } from '../src/core/config/index.js';
import type { FtpsSettings } from '../src/core/exports/index.js';

/** The safe haven's settings, its authorities read from their file. */
export function safeHavenSettings({ caFile, ...settings }: FtpsConfig): FtpsSettings {
  return { ...settings, ca: caFile === null ? null : readFileSync(caFile) };
}
