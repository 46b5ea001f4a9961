import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from './fixtures.js';

/** Where on a message's way `test/support/preload/kill-points.ts` can kill the daemon. */
export const KILL_POINTS = [
  'when a delivery is taken',
  'after the study is found',
  'after it is compared with raw',
  'before C-MOVE',
  'after the first pending response of C-MOVE',
  'after C-MOVE, before raw is asked again',
  'when all is in raw, before anything is delivered',
  'when an instance comes by C-GET',
  'between an instance of C-GET and its C-STORE',
  'behind the command of C-STORE, before its data set',
  "after anon's response",
  'after the last response of C-GET',
  'before the row of the ledger',
  'after the row of the ledger, before the message is settled',
  'after a forward is published, before the ack',
  'after a retry is published, before the ack',
  'after a message is parked, before the ack',
  'at the ack',
  'after the ack',
] as const;
export type KillPoint = (typeof KILL_POINTS)[number];

/** The daemon dies when it comes to `point` for so many-th time, from 1. */
export interface KillPlan {
  readonly point: KillPoint;
  readonly time: number;
}

/** A folder by which a test tells the next daemon where to die, and learns where it died. */
export class KillPlans {
  readonly #plan: string;
  readonly #death: string;

  constructor(folder: string) {
    this.#plan = join(folder, 'kill-plan.json');
    this.#death = join(folder, 'death.txt');
  }

  /** The module for `node --import` that carries the plan out. */
  get module(): string {
    const url = pathToFileURL(join(projectRoot, 'dist', 'test', 'support', 'preload', 'kill-points.js'));
    url.searchParams.set('folder', join(this.#plan, '..'));
    return url.href;
  }

  /** For daemons that are started from now on; null: they live. */
  set(plan: KillPlan | null): void {
    rmSync(this.#death, { force: true });
    writeFileSync(this.#plan, JSON.stringify(plan));
  }

  /** @throws when no plan was set: a daemon with this module is a test's. */
  get(): KillPlan | null {
    return JSON.parse(readFileSync(this.#plan, 'utf8')) as KillPlan | null;
  }

  /** Said by the daemon that dies. */
  died(point: KillPoint): void {
    writeFileSync(this.#death, point);
  }

  /** Where the last daemon died by plan, if it did. */
  get death(): string | null {
    return existsSync(this.#death) ? readFileSync(this.#death, 'utf8') : null;
  }
}
