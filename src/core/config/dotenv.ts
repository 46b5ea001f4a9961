import { parseEnv } from 'node:util';
import type { Environment } from './environment-reader.js';

/** Reads the text of a `.env` file. A byte order mark, which Windows editors write, is not part of a name. */
export function readDotEnv(text: string): Environment {
  return parseEnv(text.replace(/^\uFEFF/, ''));
}

/** The environment over a `.env` file: what is empty in the one is taken from the other. */
export function withDotEnv(environment: Environment, dotEnv: Environment): Environment {
  const given = Object.entries(environment).filter(([, text]) => text !== undefined && text.trim() !== '');
  return { ...dotEnv, ...Object.fromEntries(given) };
}
