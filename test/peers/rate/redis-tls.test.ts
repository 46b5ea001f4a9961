import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../../../src/core/log.js';
import { createRateLimiter, type RedisFault } from '../../../src/core/rate-limiter/index.js';
import { BAD_CERTIFICATES, HERE, useAuthorities, type Identity } from '../../support/authority.js';
import { projectRoot } from '../../support/fixtures.js';
import { run } from '../../support/processes.js';
import { startRedis, type RedisServer } from '../../support/redis.js';
import { tlsInFrontOf } from '../../support/tls-front.js';

const PASSWORD = 'CANARY-of-redis';

/** Which authorities Node trusts is settled when a process begins. */
const TRY = `
  const { tryRedis } = await import(process.argv[1]);
  console.log(JSON.stringify(await tryRedis(process.argv[2])));
`;

describe('the Redis of a shared rate, over TLS (rediss://)', () => {
  const authorities = useAuthorities();
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await startRedis(PASSWORD);
  });
  afterEach(() => redis.close());

  async function behind<T>(shown: Identity, work: (url: string) => Promise<T>): Promise<T> {
    const front = await tlsInFrontOf(Number(new URL(redis.url).port), shown);
    try {
      return await work(`rediss://:${PASSWORD}@127.0.0.1:${front.port}`);
    } finally {
      front.close();
    }
  }

  /** What a process that trusts the authority says of a Redis that shows this certificate. */
  async function faultBehind(shown: Identity): Promise<RedisFault | null> {
    const ca = join(authorities().folder, 'ca.pem');
    writeFileSync(ca, authorities().authority.cert);
    const module = join(projectRoot, 'dist', 'src', 'core', 'rate-limiter', 'index.js');
    const { stdout, stderr } = await behind(shown, (url) =>
      run(process.execPath, ['--input-type=module', '-e', TRY, module, url], {
        env: { NODE_EXTRA_CA_CERTS: ca },
      }),
    );
    expect(stderr).to.equal('');
    return JSON.parse(stdout) as RedisFault | null;
  }

  it('is used when its certificate is trusted, for the host, and in time', async () => {
    expect(await faultBehind(await authorities().authority.sign('good', HERE))).to.equal(null);
  });

  for (const { what, code, make } of BAD_CERTIFICATES)
    it(`is refused when its certificate is ${what}, and the reason says so`, async () => {
      expect(await faultBehind(await make(authorities()))).to.deep.equal({
        trouble: 'untrusted',
        reason: `no TLS with Redis: ${code}`,
      });
    });

  it('ends the start of a daemon that does not trust it', async () => {
    const { authority } = authorities();
    const failure = await behind(await authority.sign('good', HERE), (redisUrl) =>
      createRateLimiter({
        ...{ name: 'primary', rate: 1, capacity: null, unit: 'image', redisUrl, log: silentLogger },
      }).catch((error: unknown) => error),
    );
    expect(failure).to.include({ code: 'SHARED_LIMITER', retry: 'never' });
    expect((failure as Error).message).to.equal(
      'shared limiter: no TLS with Redis: UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    );
  });
});
