import { basename } from 'node:path';
import { describeError, PixlError } from '../src/core/errors.js';

/** Causes of causes; an error may be its own cause. */
const MAX_CAUSES = 5;
const MAX_FRAMES = 50;

/**
 * What a user's handler threw, that is none of our errors. It names the class, and where in the handler it was thrown: the text
 * of such an error may quote the message, and a message holds patients' identifiers.
 */
export class HandlerFailedError extends PixlError {
  readonly code = 'INTERNAL';
  readonly retry = 'later';

  constructor(file: string, thrown: unknown) {
    const [where] = framesOf(thrown).filter((frame) => frame.includes(basename(file)));
    const place =
      where === undefined ? '' : ` at ${/([^/\\(]+:\d+:\d+)\)?$/.exec(where)?.[1] ?? basename(file)}`;
    super(
      `the handler ${basename(file)} threw: ${causesOf(thrown).map(describeError).join(', because of ')}${place}`,
      {
        cause: thrown,
      },
    );
  }
}

/** The stack without the text, of the error and of its causes: each by its class, and its frames below. */
export function stackWithoutText(thrown: unknown): readonly string[] {
  return causesOf(thrown).flatMap((error) => [describeError(error), ...framesOf(error)]);
}

function causesOf(thrown: unknown): unknown[] {
  const all = [thrown];
  for (let error = thrown; all.length < MAX_CAUSES && error instanceof Error && error.cause !== undefined;) {
    error = error.cause;
    all.push(error);
  }
  return all;
}

/** The lines of the stack behind the text, which may itself have lines that look like them. */
function framesOf(error: unknown): string[] {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return [];
  const { message, stack } = error;
  const textAt = stack.indexOf(message);
  // A text that was changed afterwards: what of the stack is the old one can't be told.
  if (textAt < 0) return [];
  return stack
    .slice(textAt + message.length)
    .split('\n')
    .filter((line) => /^ {4}at .*(:\d+:\d+|\(<anonymous>\)|\(native\))\)?$/.test(line))
    .slice(0, MAX_FRAMES)
    .map((line) => line.trim());
}
