import { Breaker, systemClock, type Clock } from '../../core/breaker.js';
import { throwIfCancelled } from '../../core/cancel.js';
import { describeError } from '../../core/errors.js';
import { Gate } from '../../core/gate.js';
import type { Destination } from '../../destinations/index.js';
import type { StoreDuty } from '../duty/store-duty.js';
import { nodeTroubleKind } from '../journey/trouble.js';

export interface ExportDutyOptions {
  readonly destination: Destination;
  /** The store that studies are exported from, and how errors name it. */
  readonly anon: { readonly duty: StoreDuty; readonly peer: string };
  readonly clock?: Clock;
}

/**
 * When studies are exported: while the destination and anon are there. Trouble with either pauses the exports alone, with the reason, and is no
 * study's fault; it is looked again whether it has passed.
 */
export class ExportDuty {
  readonly gate = new Gate();
  readonly #options: ExportDutyOptions;
  readonly #breaker: Breaker;
  readonly #closing = new AbortController();
  readonly #forget: () => void;

  constructor(options: ExportDutyOptions) {
    this.#options = options;
    const { destination, anon } = options;
    this.#breaker = new Breaker({
      of: `the destination ${destination.name}`,
      clock: options.clock ?? systemClock,
      failures: 1,
      probe: (signal) => destination.check(signal),
      describe: describeError,
      onChange: ({ reason }) => this.gate.hold('destination', reason),
    });
    const follow = (): void => this.gate.hold('anon', anon.duty.reason);
    this.#forget = anon.duty.onChange(follow);
    follow();
  }

  /**
   * Whether the trouble that ended an export is the destination's or anon's, so that the study is not to blame. A destination whose
   * connection broke off is asked whether it is there: a file that it can't take must not be sent to it for ever.
   */
  async isToBlameFor(error: unknown): Promise<boolean> {
    const { destination, anon } = this.#options;
    const kind = nodeTroubleKind(error, anon.peer);
    if (kind !== null) return anon.duty.report(kind, describeError(error));
    const trouble = destination.troubleOf(error);
    if (trouble === null) return false;
    if (trouble === 'down') {
      try {
        await destination.check(this.#closing.signal);
        return false;
      } catch {
        throwIfCancelled(this.#closing.signal, 'export');
      }
    }
    this.#breaker.report(trouble, error);
    return true;
  }

  /** Somebody says that what was wrong is mended. */
  lookAgain(): void {
    this.#breaker.lookAgain();
  }

  close(): void {
    this.#closing.abort();
    this.#forget();
    this.#breaker.close();
  }
}
