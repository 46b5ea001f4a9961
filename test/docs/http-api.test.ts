import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createMetrics, refusals } from '../../src/api/index.js';
import { silentLogger } from '../../src/core/log.js';
import { projectRoot } from '../support/fixtures.js';

const page = readFileSync(join(projectRoot, 'docs', 'http-api.md'), 'utf8');

/** Answered on the bare socket, before there is a request. */
const UNREADABLE = { REQUEST_TIMEOUT: 408, HEADERS_TOO_LARGE: 431 };

describe('docs/http-api.md', () => {
  it('lists every code by which a request is refused, with its status, and no other', () => {
    const listed = [...page.matchAll(/^\| `([A-Z_]+)` +\| (\d{3}) /gm)].map(([, code, status]) => [
      code,
      Number(status),
    ]);
    expect(Object.fromEntries(listed)).to.deep.equal({ ...refusals, ...UNREADABLE });
  });

  it('names every metric', async () => {
    const { registry } = createMetrics(
      { queues: () => Promise.resolve([]), limiters: () => [] },
      silentLogger,
    );
    for (const { name } of await registry.getMetricsAsJSON())
      expect(page).to.contain(name.replace(/^pixl_limiter/, ''));
  });
});
