/** A client that was still may make the requests of so many seconds at once: pages with their parts, a script's loop. */
const BURST_S = 10;
const MAX_CLIENTS = 1024;
const ALL_OTHERS = 'others';

export interface RequestRateOptions {
  /** Requests per second of one client. */
  readonly perSecond: number;
  /** How many clients are known apart; those above share one allowance. */
  readonly maxClients?: number;
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** How many requests each client may make: a bucket of tokens for each address, which fills up as time goes by. */
export class RequestRate {
  readonly #perSecond: number;
  readonly #capacity: number;
  readonly #maxClients: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor({ perSecond, maxClients = MAX_CLIENTS, now = () => performance.now() }: RequestRateOptions) {
    this.#perSecond = perSecond;
    this.#capacity = perSecond * BURST_S;
    this.#maxClients = maxClients;
    this.#now = now;
  }

  /** How many clients are known apart at the moment. */
  get clients(): number {
    return this.#buckets.size;
  }

  /**
   * Counts a request, as `cost` of them; the cost may leave a debt.
   *
   * @returns the seconds after which the client may ask again; 0 = it may now, and this one passes
   */
  take(address: string, cost = 1): number {
    const bucket = this.#bucketOf(address);
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / this.#perSecond);
    bucket.tokens -= cost;
    return 0;
  }

  #bucketOf(address: string): Bucket {
    const now = this.#now();
    let name = clientOf(address);
    if (!this.#buckets.has(name) && this.#buckets.size >= this.#maxClients) {
      this.#forgetTheFull(now);
      if (this.#buckets.size >= this.#maxClients) name = ALL_OTHERS;
    }
    const known = this.#buckets.get(name);
    const bucket = known ?? { tokens: this.#capacity, at: now };
    bucket.tokens = this.#filled(bucket, now);
    bucket.at = now;
    this.#buckets.set(name, bucket);
    return bucket;
  }

  #filled({ tokens, at }: Bucket, now: number): number {
    return Math.min(this.#capacity, tokens + ((now - at) / 1000) * this.#perSecond);
  }

  /** A full bucket is as good as none. */
  #forgetTheFull(now: number): void {
    for (const [name, bucket] of this.#buckets)
      if (this.#filled(bucket, now) >= this.#capacity) this.#buckets.delete(name);
  }
}

/** An IPv4 address; of an IPv6 address the network, since a machine may take any address of its /64. */
export function clientOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!plain.includes(':')) return plain;
  const [before = '', behind] = plain.replace(/%.*$/, '').split('::');
  const groups = before === '' ? [] : before.split(':');
  const last = behind === undefined || behind === '' ? [] : behind.split(':');
  const left = Math.max(0, 8 - groups.length - last.length);
  const all = [...groups, ...Array<string>(left).fill('0'), ...last];
  return `${all.slice(0, 4).join(':')}::/64`;
}
