import { describeError, InternalError, TimeoutError } from '../core/errors.js';

/** What came of a check. */
export type Finding =
  | { readonly kind: 'sound'; readonly detail: string }
  /** It is not configured, so there is nothing to check. */
  | { readonly kind: 'unset'; readonly detail: string }
  /** It could not be told, and nothing says that it is wrong. */
  | { readonly kind: 'untold'; readonly detail: string }
  | { readonly kind: 'wrong'; readonly detail: string; readonly mend: string };

export interface Check {
  readonly name: string;
  /** Checks that must be sound before this one has anything to say; they stand before it in the list. */
  readonly after?: readonly string[];
  /** What it throws is a wrong finding. The signal is aborted when its time is over. */
  readonly run: (signal: AbortSignal) => Promise<Finding>;
  /** What to do about an error that `run` throws. */
  readonly mendOf: (error: unknown) => string;
}

export type Examined = Finding & { readonly check: string };

/**
 * Runs all checks side by side, but for those that wait for another. None takes longer than `timeoutMs`, and none keeps
 * another from being told.
 *
 * @returns in the order of the list
 */
export async function examine(checks: readonly Check[], timeoutMs: number): Promise<Examined[]> {
  const findings = new Map<string, Promise<Finding>>();
  for (const check of checks) {
    const before = (check.after ?? []).map((name) => {
      const finding = findings.get(name);
      if (finding === undefined) throw new InternalError(`no check ${name} before ${check.name}`);
      return { name, finding };
    });
    findings.set(check.name, conclude(check, before, timeoutMs));
  }
  const inOrder = [...findings].map(async ([check, finding]) => ({ check, ...(await finding) }));
  return Promise.all(inOrder);
}

async function conclude(
  check: Check,
  before: readonly { readonly name: string; readonly finding: Promise<Finding> }[],
  timeoutMs: number,
): Promise<Finding> {
  for (const { name, finding } of before) {
    const { kind } = await finding;
    if (kind === 'unset') return { kind, detail: `not checked: ${name} is not configured` };
    if (kind !== 'sound') return { kind: 'untold', detail: `not checked: see ${name}` };
  }
  try {
    return await within(check, timeoutMs);
  } catch (error) {
    return { kind: 'wrong', detail: describeError(error), mend: check.mendOf(error) };
  }
}

/** A check that takes no notice of its signal is not waited for; what it holds is closed by who made it. */
async function within(check: Check, timeoutMs: number): Promise<Finding> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new TimeoutError('doctor', check.name, timeoutMs));
      controller.abort();
    }, timeoutMs);
  });
  try {
    return await Promise.race([check.run(controller.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}

export function sound(detail: string): Finding {
  return { kind: 'sound', detail };
}

export function untold(detail: string): Finding {
  return { kind: 'untold', detail };
}

export function wrong(detail: string, mend: string): Finding {
  return { kind: 'wrong', detail, mend };
}

/** The line of something that nobody configured. */
export function unset(name: string, detail: string): Check {
  return { name, run: () => Promise.resolve({ kind: 'unset', detail }), mendOf: () => '' };
}
