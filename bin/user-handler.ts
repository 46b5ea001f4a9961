import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Disposition, Handler } from '../src/queue/index.js';
import { PixlError } from '../src/core/errors.js';
import type { Logger } from '../src/core/log.js';
import { HandlerFailedError, stackWithoutText } from './handler-error.js';
import { offerOwnPackage } from './own-package.js';
import { UsageError } from './usage-error.js';

/** A user's module: what `consume --handler` runs. */
export interface UserHandler {
  readonly handler: Handler;
  /** The module's own `close`, or nothing. */
  readonly close: () => Promise<void>;
}

/** A user's handler answered with something that is no disposition. Trying again would end in the same way. */
export class HandlerResultError extends PixlError {
  readonly code = 'HANDLER_RESULT';
  readonly retry = 'never';

  constructor(problem: string) {
    super(`the handler's answer: ${problem}`);
  }
}

/**
 * Loads a module with a function `handler` (or a default one), and perhaps a function `close`. What the handler throws is a
 * PixlError, as it is or around what it was; at debug level its stack is logged.
 *
 * @throws UsageError
 */
export async function loadUserHandler(file: string, log: Logger): Promise<UserHandler> {
  offerOwnPackage();
  let module: Readonly<Record<string, unknown>>;
  try {
    module = (await import(pathToFileURL(resolve(file)).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new UsageError(
      `the handler ${file} can't be loaded: ${error instanceof Error ? error.message : 'unknown reason'}`,
    );
  }
  const handler = module['handler'] ?? module['default'];
  if (typeof handler !== 'function') throw new UsageError(`${file} exports no function "handler"`);
  const { close } = module;
  if (close !== undefined && typeof close !== 'function')
    throw new UsageError(`${file}: its export "close" is no function`);
  return {
    handler: async (delivery, signal) => {
      let result: unknown;
      try {
        result = await (handler as (...args: readonly unknown[]) => unknown)(delivery, signal);
      } catch (error) {
        const { queue, attempt } = delivery;
        log.debug({ queue, attempt, stack: stackWithoutText(error) }, 'the handler threw');
        throw error instanceof PixlError ? error : new HandlerFailedError(file, error);
      }
      return dispositionOf(result);
    },
    close: async () => {
      await (close as (() => unknown) | undefined)?.();
    },
  };
}

/** Nothing means done; code and outcome may be left out. @throws HandlerResultError */
function dispositionOf(result: unknown): Disposition {
  if (result === undefined || result === null) return { kind: 'done' };
  const { kind, to, code = 'HANDLER', reason = 'by the handler', outcome = 'failed' } = result as Fields;
  switch (kind) {
    case 'done':
      return { kind };
    case 'forward':
      if (typeof to !== 'string' || to === '') throw new HandlerResultError('a forward without "to"');
      return { kind, to };
    case 'retry':
    case 'park':
      return { kind, code: text(code), reason: text(reason), outcome: text(outcome) };
    case 'defer':
      return { kind, code: text(code), reason: text(reason) };
    default:
      throw new HandlerResultError('its "kind" is none of done, forward, retry, defer, park');
  }
}

interface Fields {
  readonly kind?: unknown;
  readonly to?: unknown;
  readonly code?: unknown;
  readonly reason?: unknown;
  readonly outcome?: unknown;
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new HandlerResultError('code, reason and outcome are texts');
  return value;
}
