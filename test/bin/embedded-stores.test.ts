import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withEmbeddedStores } from '../../bin/embedded-stores.js';
import { tlsSettings } from '../../bin/tls-settings.js';
import { Closers } from '../../src/core/closers.js';
import { loadConfig, type NodeConfig } from '../../src/core/config/index.js';
import { silentLogger } from '../../src/core/log.js';
import { Association, cEcho } from '../../src/dimse/index.js';
import { migrateUp } from '../../src/core/db/index.js';
import { withEmbeddedDatabase } from '../support/embedded.js';
import { useAuthorities } from '../support/authority.js';
import { freePorts } from '../support/ports.js';
import { optionsFor, PATIENCE } from '../support/scripted-scp.js';

describe('the embedded stores of serve', () => {
  const authorities = useAuthorities();

  async function withStores(
    environment: Record<string, string>,
    work: (stores: { readonly raw: NodeConfig; readonly anon: NodeConfig }) => Promise<void>,
  ): Promise<void> {
    await withEmbeddedDatabase(async (database, _server, folder) => {
      await migrateUp(database, silentLogger);
      const [raw, anon] = (await freePorts(2)) as [number, number];
      const settings = {
        ...{
          PIXL_EMBEDDED_DIR: folder,
          ORTHANC_RAW_DICOM_PORT: `${raw}`,
          ORTHANC_ANON_DICOM_PORT: `${anon}`,
        },
        ...{ PRIMARY_DICOM_SOURCE_AE_TITLE: 'VNA', PRIMARY_DICOM_SOURCE_PORT: '104' },
        ...{ PRIMARY_DICOM_SOURCE_IP_ADDR: '192.0.2.7', ...environment },
      };
      const closers = new Closers();
      try {
        const config = await withEmbeddedStores(
          loadConfig(settings, new Set()),
          database,
          silentLogger,
          closers,
        );
        await work({ raw: config.raw!, anon: config.anon! });
      } finally {
        await closers.closeAll();
      }
    });
  }

  async function echo(store: NodeConfig, callingAeTitle: string): Promise<void> {
    const { aeTitle, host, port, tls } = store;
    const node = { aeTitle, host, port, ...(tls === null ? {} : { tls: tlsSettings(tls) }) };
    const association = await Association.request({
      ...optionsFor({ host: '127.0.0.1', port }),
      node,
      callingAeTitle,
    });
    await cEcho(association, PATIENCE);
    await association.release();
  }

  const failure = (work: Promise<void>): Promise<string> =>
    work.then(
      () => 'let in',
      (error: unknown) => String(error),
    );

  it('let an archive in from its own host alone, and from where PIXL_EMBEDDED_SENDERS says', async () => {
    await withStores({}, async ({ raw }) => {
      await echo(raw, 'PIXL');
      expect(await failure(echo(raw, 'VNA'))).to.contain('calling AE title not recognized');
    });
    for (const senders of ['127.0.0.0/8', 'no-such-host.invalid, localhost', '*'])
      await withStores({ PIXL_EMBEDDED_SENDERS: senders }, ({ raw }) => echo(raw, 'VNA'));
    await withStores({ PIXL_EMBEDDED_SENDERS: '*' }, async ({ anon }) => {
      expect(await failure(echo(anon, 'VNA'))).to.contain('calling AE title not recognized');
    });
  });

  for (const [what, san, isWithCa] of [
    ['for their address', 'IP:127.0.0.1', false],
    ['for the name of this machine', 'DNS:pixl.hospital.example', false],
    ['and want one of their callers', '', true],
  ] as const)
    it(`speak TLS with a certificate ${what}, to us too`, async () => {
      const { authority, folder } = authorities();
      const { cert, key } = await authority.sign(`store-${isWithCa}`, san === '' ? 'IP:127.0.0.1' : san);
      const path = (name: string, bytes: Buffer): string => {
        writeFileSync(join(folder, name), bytes);
        return join(folder, name);
      };
      const environment = {
        PIXL_EMBEDDED_TLS_CERT: path('store.pem', cert),
        PIXL_EMBEDDED_TLS_KEY: path('store.key', key),
        ...(isWithCa ? { PIXL_EMBEDDED_TLS_CA: path('ca.pem', authority.cert) } : {}),
      };
      await withStores(environment, async (stores) => {
        for (const store of [stores.raw, stores.anon]) {
          await echo(store, 'PIXL');
          expect(await failure(echo({ ...store, tls: null }, 'PIXL'))).not.to.equal('let in');
        }
      });
    });
});
