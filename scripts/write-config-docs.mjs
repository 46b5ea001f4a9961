// Writes .env.sample and docs/configuration.md from the table of variables. Build first.
import { mkdirSync, writeFileSync } from 'node:fs';
import { renderConfigurationPage, renderEnvSample } from '../dist/src/core/config/index.js';

mkdirSync('docs', { recursive: true });
writeFileSync('.env.sample', renderEnvSample());
writeFileSync('docs/configuration.md', renderConfigurationPage());
