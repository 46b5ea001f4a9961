import { isIP } from 'node:net';
import { isNetwork } from '../src/core/addresses.js';
import { InvalidValueError } from '../src/core/errors.js';
import { aeTitle } from '../src/core/ids.js';
import { NODE_RIGHTS, type NodeCaller, type NodeRight } from '../src/dimse/index.js';
import { UsageError } from './usage-error.js';

/**
 * A value of `--allow`: `TITLE[=RIGHT,…][@FROM,…]`. Without rights all; without an address the host of the `--peer` with that
 * title, or any.
 *
 * @throws UsageError
 */
export function callerOf(text: string): NodeCaller {
  const at = text.lastIndexOf('@');
  const [who, from] = at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1).split(',')];
  const [title = '', rights] = who.split(/=(.*)/s);
  const wrong = from?.find((one) => !isAddress(one));
  if (wrong !== undefined) throw new UsageError(`--allow: "${wrong}" is no address, network, host name or *`);
  return {
    aeTitle: titleOf('--allow', title),
    rights: rights === undefined ? NODE_RIGHTS : rights.split(',').map(rightOf),
    ...(from === null ? {} : { from }),
  };
}

/** @throws UsageError */
export function titleOf(option: string, text: string): string {
  try {
    return aeTitle(text);
  } catch (error) {
    if (error instanceof InvalidValueError) throw new UsageError(`${option}: ${error.message}`);
    throw error;
  }
}

function rightOf(text: string): NodeRight {
  const right = NODE_RIGHTS.find((one) => one === text);
  if (right === undefined) throw new UsageError(`--allow: "${text}" is no right: ${NODE_RIGHTS.join(', ')}`);
  return right;
}

function isAddress(text: string): boolean {
  return (
    text === '*' || isIP(text) !== 0 || isNetwork(text) || /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?$/i.test(text)
  );
}
