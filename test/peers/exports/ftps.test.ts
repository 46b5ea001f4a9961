import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { CancelledError } from '../../../src/core/errors.js';
import {
  checkSafeHaven,
  FtpsConnectionError,
  FtpsLoginError,
  FtpsReplyError,
  FtpsStorageFullError,
  FtpsTlsError,
  remotePath,
  withSafeHaven,
  type FtpsSettings,
  type SafeHavenOptions,
} from '../../../src/core/exports/index.js';
import { silentLogger } from '../../../src/core/log.js';
import { eventually } from '../../support/eventually.js';
import {
  LIMITED_USER,
  QUOTA_BYTES,
  sharedProftpd,
  startFtpsProxy,
  startProftpd,
  type FtpsProxy,
  type Proftpd,
} from '../../support/proftpd.js';
import { rejection } from '../../support/scripted-scp.js';

/** In pieces as a socket gives them, each with content of its own. */
function* pieces(total: number): Generator<Buffer> {
  for (let at = 0; at < total; at += 65_536) yield Buffer.alloc(Math.min(65_536, total - at), at / 65_536);
}

const ONCE: SafeHavenOptions = { log: silentLogger, retryPausesMs: [] };
const FILE = remotePath('project', 'study.zip');

describe('Files put into the safe haven', () => {
  let server: Proftpd;
  before(async () => {
    server = await sharedProftpd();
  });
  beforeEach(() => server.reset());

  const contentOf = (path: string): Buffer => readFileSync(join(server.home, path));

  /** One try, unless the options say otherwise. */
  function put(
    settings: FtpsSettings,
    bytes: number,
    options: Partial<SafeHavenOptions> = {},
  ): Promise<number> {
    return withSafeHaven(settings, { ...ONCE, ...options }, (haven) =>
      haven.put(FILE, () => Readable.from(pieces(bytes))),
    );
  }

  for (const port of ['implicit', 'explicit', 'noOverwrite', 'noDots'] as const)
    it(`are there byte for byte, in the place of what was there before (${port})`, async () => {
      await withSafeHaven(server.settings(port), ONCE, async (haven) => {
        const path = remotePath('project', '2020-06-10t18-00-00', 'parquet', 'a table.parquet');
        for (const total of [10, 300_000])
          expect(await haven.put(path, () => Readable.from(pieces(total)))).to.equal(total);
        await haven.put(remotePath('at the top'), () => Readable.from([]));
      });
      expect(server.files()).to.deep.equal([
        'at the top',
        'project/2020-06-10t18-00-00/parquet/a table.parquet',
      ]);
      const content = contentOf('project/2020-06-10t18-00-00/parquet/a table.parquet');
      expect(content.equals(Buffer.concat([...pieces(300_000)]))).to.equal(true);
    });

  it('stay as they are when the server lets nothing be renamed, which it says as it says that one is there', async () => {
    const path = remotePath('project', 'kept.parquet');
    const old = Buffer.from('the file that researchers have');
    await withSafeHaven(server.settings('implicit'), ONCE, (haven) =>
      haven.put(path, () => Readable.from([old])),
    );
    for (const name of [path, remotePath('project', 'new.parquet')]) {
      const error = await rejection(
        withSafeHaven(server.settings('noRename'), ONCE, (haven) =>
          haven.put(name, () => Readable.from(pieces(100_000))),
        ),
        FtpsReplyError,
      );
      expect(error).to.include({ operation: 'RNTO', reply: 550 });
      expect(server.files()).to.deep.equal([path]);
      expect(contentOf(path).equals(old)).to.equal(true);
    }
  });

  it('take turns on their connection', async () => {
    const paths = ['a', 'b', 'c', 'd'].map((name) => remotePath('turns', `${name} ünïcödé 東京`));
    await withSafeHaven(server.settings('implicit'), ONCE, (haven) =>
      Promise.all(paths.map((path) => haven.put(path, () => Readable.from(pieces(100_000))))),
    );
    expect(server.files()).to.deep.equal(paths);
  });

  const untrusted = [
    ['expired', 'expired', 'expired'],
    ['selfSigned', 'self-signed', 'self-signed'],
    ['wrongHost', 'for another host', 'wrong-host'],
  ] as const;
  for (const [port, what, problem] of untrusted) {
    it(`are not sent to a server whose certificate is ${what}`, async () => {
      const error = await rejection(put(server.settings(port), 10), FtpsTlsError);
      expect(error).to.include({ code: 'FTPS_TLS', problem, retry: 'never' });
      expect(server.files()).to.deep.equal([]);
    });

    it(`are sent to it all the same when certificates are not verified (${what})`, async () => {
      expect(await put(server.settings(port, { verify: false }), 10)).to.equal(10);
    });
  }

  it('are not sent to a server whose authority is not known', async () => {
    const error = await rejection(put(server.settings('explicit', { ca: null }), 10), FtpsTlsError);
    expect(error.problem).to.equal('unknown-authority');
  });

  it('are not sent to a server without TLS, the password neither', async () => {
    const error = await rejection(put(server.settings('plain'), 10), FtpsTlsError);
    expect(error.problem).to.equal('no-tls');
    await rejection(put(server.settings('plain', { tls: 'implicit' }), 10), FtpsTlsError);
  });

  it('are not sent with a wrong password', async () => {
    const error = await rejection(
      put(server.settings('implicit', { password: 'wrong' }), 10),
      FtpsLoginError,
    );
    expect(error).to.include({ code: 'FTPS_LOGIN', retry: 'never' });
    expect(error.message).to.not.contain("wrong'").and.not.contain('pixl');
  });

  it('do not arrive where nobody listens', async () => {
    const error = await rejection(put(server.settings('implicit', { port: 1 }), 10), FtpsConnectionError);
    expect(error).to.include({ channel: 'control', retry: 'later' });
    expect(error.message).to.equal('ftps://127.0.0.1:1: control connection: refused: nobody listens there');
  });

  it('leave nothing behind when they exceed the quota, and there is room for another one', async () => {
    const limited = server.settings('implicit', {
      username: LIMITED_USER.name,
      password: LIMITED_USER.password,
    });
    const error = await rejection(put(limited, 30 * QUOTA_BYTES), FtpsStorageFullError);
    expect(error).to.include({ code: 'FTPS_STORAGE_FULL', reply: 552, retry: 'never' });
    expect(server.files()).to.deep.equal([]);
    expect(await put(limited, QUOTA_BYTES / 2)).to.equal(QUOTA_BYTES / 2);
  });

  it('fail with what their source fails with, and leave nothing behind', async () => {
    function* failing(): Generator<Buffer> {
      yield* pieces(1_000_000);
      throw new RangeError('the source');
    }
    await withSafeHaven(server.settings('implicit'), { log: silentLogger }, async (haven) => {
      let opened = 0;
      const open = (): Readable => {
        opened += 1;
        return Readable.from(failing());
      };
      await rejection(haven.put(FILE, open), RangeError);
      expect(opened, 'tries').to.equal(1);
      expect(server.files()).to.deep.equal([]);
      await haven.put(FILE, () => Readable.from(pieces(10)));
    });
    expect(server.files()).to.deep.equal([FILE]);
  });

  it('are given up on a signal', async () => {
    const giveUp = new AbortController();
    function* endless(): Generator<Buffer> {
      for (let sent = 0; ; sent += 1) {
        if (sent === 20) giveUp.abort();
        yield Buffer.alloc(65_536);
      }
    }
    const options = { ...ONCE, signal: giveUp.signal };
    await rejection(
      withSafeHaven(server.settings('implicit'), options, (haven) =>
        haven.put(FILE, () => Readable.from(endless())),
      ),
      CancelledError,
    );
    expect(server.files()).to.deep.equal([]);
  });

  describe('over a network that breaks', () => {
    let proxy: FtpsProxy;
    before(async () => {
      proxy = await startFtpsProxy(server);
    });
    after(() => proxy.close());
    afterEach(() => {
      for (const one of [proxy.control, ...proxy.data]) {
        one.cutAfter(Infinity);
        one.release();
      }
    });
    const cutDataAfter = (bytes: number): void => {
      for (const one of proxy.data) one.cutAfter(bytes);
    };

    const SIZE = 2_000_000;
    const places = [1, 300, 1_000, 5_000, 70_000, 300_000, 700_000, 1_200_000, 1_900_000, SIZE - 1];
    for (const place of places)
      it(`are not there in part when the data connection breaks after ${place} bytes, and whole after a second run`, async () => {
        cutDataAfter(place);
        const error = await rejection(put(proxy.settings, SIZE), FtpsConnectionError);
        expect(error).to.include({ code: 'FTPS_CONNECTION', channel: 'data', retry: 'later' });
        expect(server.files()).to.deep.equal([]);
        cutDataAfter(Infinity);
        expect(await put(proxy.settings, SIZE)).to.equal(SIZE);
        expect(server.files()).to.deep.equal([FILE]);
        expect(contentOf(FILE).equals(Buffer.concat([...pieces(SIZE)]))).to.equal(true);
      });

    it('are tried again by themselves, over a new connection', async () => {
      cutDataAfter(1_000_000);
      expect(await put(proxy.settings, SIZE, { retryPausesMs: [1] })).to.equal(SIZE);
      expect(server.files()).to.deep.equal([FILE]);
    });

    it('are not there in part when the control connection breaks', async () => {
      for (const one of proxy.data) one.holdAfter(500_000);
      const putting = put(proxy.settings, SIZE);
      const failing = rejection(putting, FtpsConnectionError);
      await eventually(() => expect(proxy.data.some((one) => one.isHolding())).to.equal(true));
      proxy.control.cut();
      expect(await failing).to.include({ channel: 'data' });
      for (const one of proxy.data) one.release();
      await eventually(() => expect(server.files()).to.not.include(FILE));
      expect(await put(proxy.settings, SIZE)).to.equal(SIZE);
    });

    it('end with an error when the server takes no more bytes', async () => {
      for (const one of proxy.data) one.holdAfter(100_000);
      const error = await rejection(
        put(proxy.settings, 60_000_000, { silenceMs: 2_000 }),
        FtpsConnectionError,
      );
      expect(error.message).to.match(/data connection: no answer in time$/);
    });

    it('are checked for with a data connection, too', async () => {
      await checkSafeHaven(proxy.settings, ONCE);
      cutDataAfter(1);
      expect(await rejection(checkSafeHaven(proxy.settings, ONCE), FtpsConnectionError)).to.include({
        channel: 'data',
      });
    });
  });

  it('are not there in part when the server is killed, and whole after a second run', async () => {
    const own = await startProftpd();
    try {
      let sent = 0;
      function* killing(): Generator<Buffer> {
        for (const piece of pieces(50_000_000)) {
          if (sent === 2_000_000 - (2_000_000 % 65_536)) void own.kill();
          sent += piece.length;
          yield piece;
        }
      }
      const putting = withSafeHaven(own.settings('implicit'), ONCE, (haven) =>
        haven.put(FILE, () => Readable.from(killing())),
      );
      expect((await rejection(putting, FtpsConnectionError)).retry).to.equal('later');
      expect(own.files()).to.not.include(FILE);
      await own.start();
      await put(own.settings('implicit'), 1_000_000);
      expect(own.files()).to.include(FILE);
    } finally {
      await own.close();
    }
  });
});
