import { readdirSync, readlinkSync } from 'node:fs';
import { request } from 'node:http';
import { residentMemory } from '../support/daemon.js';

/** What the daemon takes at a moment. */
export interface Sample {
  /** Seconds since the soak began. */
  readonly at: number;
  readonly residentMiB: number;
  readonly heapMiB: number;
  /** Buffers, for the most part. */
  readonly externalMiB: number;
  /** Open file descriptors, all of them, and those that are sockets. */
  readonly handles: number;
  readonly sockets: number;
  readonly timers: number;
  /** Whatever keeps Node's event loop alive: sockets, servers, timers, requests. */
  readonly resources: number;
  /** Processor time since the start, in seconds. */
  readonly cpuSeconds: number;
}

export type Measure = Exclude<keyof Sample, 'at'>;

/** One connection for each request, so that none that is kept is counted among the daemon's sockets. */
export function ask(url: string, method: 'GET' | 'POST' = 'GET', body?: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = { 'content-type': 'application/json', 'content-length': payload?.length ?? 0 };
    const outgoing = request(
      url,
      { method, agent: false, timeout: 10_000, ...(payload && { headers }) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          if ((response.statusCode ?? 0) < 300) resolve(text);
          else reject(new Error(`${method} ${url}: ${response.statusCode}: ${text}`));
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${url}: no answer`)));
    outgoing.on('error', reject);
    outgoing.end(payload);
  });
}

export async function sampleOf(pid: number, url: string, at: number): Promise<Sample> {
  const metrics = await ask(`${url}/metrics`);
  const kinds = openFiles(pid);
  return {
    at: Math.round(at),
    residentMiB: rounded(residentMemory(pid).now),
    heapMiB: rounded(metric(metrics, 'nodejs_heap_size_used_bytes') / 2 ** 20),
    externalMiB: rounded(metric(metrics, 'nodejs_external_memory_bytes') / 2 ** 20),
    handles: kinds.length,
    sockets: kinds.filter((target) => target.startsWith('socket:')).length,
    timers: metric(metrics, 'nodejs_active_resources{type="Timeout"}', 0),
    resources: metric(metrics, 'nodejs_active_resources_total'),
    cpuSeconds: rounded(metric(metrics, 'process_cpu_seconds_total')),
  };
}

/** What each file descriptor stands for (proc(5), fd). */
function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return []; // closed meanwhile
    }
  });
}

/** @throws when it is not there, unless there is a value for that */
function metric(text: string, name: string, absent?: number): number {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  if (line !== undefined) return Number(line.slice(name.length + 1));
  if (absent === undefined) throw new Error(`no metric ${name}`);
  return absent;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
