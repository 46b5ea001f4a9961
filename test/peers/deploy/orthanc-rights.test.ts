import { expect } from 'chai';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Closers } from '../../../src/core/closers.js';
import { deployFile } from '../../deploy/files.js';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { echoscu } from '../../support/dcmtk.js';
import { freePorts } from '../../support/ports.js';
import { run, startProcess } from '../../support/processes.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

/** Where each is, as the configuration is told. */
const ADDRESSES = { PIXL: '127.0.0.9', VNA: '127.0.0.3', PACS: '127.0.0.4' } as const;
const ELSEWHERE = '127.0.0.1';

/** As deploy/compose.yaml sets them. */
const environment = {
  PIXL_AE_TITLE: 'PIXL',
  PIXL_ADDRESS: ADDRESSES.PIXL,
  PRIMARY_DICOM_SOURCE_AE_TITLE: 'VNA',
  PRIMARY_DICOM_SOURCE_IP_ADDR: ADDRESSES.VNA,
  SECONDARY_DICOM_SOURCE_AE_TITLE: 'PACS',
  SECONDARY_DICOM_SOURCE_IP_ADDR: ADDRESSES.PACS,
};

interface Caller {
  readonly aeTitle: string;
  readonly address: string;
}
const pixl: Caller = { aeTitle: 'PIXL', address: ADDRESSES.PIXL };
const vna: Caller = { aeTitle: 'VNA', address: ADDRESSES.VNA };
const pacs: Caller = { aeTitle: 'PACS', address: ADDRESSES.PACS };
/** Whom nobody knows, and who bears a name that is known, from elsewhere. */
const strangers: readonly Caller[] = [
  { aeTitle: 'ATTACKER', address: ELSEWHERE },
  { aeTitle: 'ATTACKER', address: ADDRESSES.PIXL },
  { aeTitle: 'PIXL', address: ELSEWHERE },
  { aeTitle: 'PIXL', address: ADDRESSES.VNA },
  { aeTitle: 'VNA', address: ELSEWHERE },
  { aeTitle: 'PIXLRAW', address: ELSEWHERE },
];

/** An Orthanc with a configuration of deploy/, in which the folder and the ports alone are others. */
interface Store {
  /** A dcmtk tool that calls it. @returns whether it did what it was to do, and its log */
  call(
    tool: string,
    caller: Caller,
    args: readonly string[],
  ): Promise<{ readonly ok: boolean; readonly log: string }>;
  /** How many images it holds, as ours would ask. */
  images(): Promise<number>;
}

describe('the Orthancs of deploy/', () => {
  let folder: TempDir;
  let closers = new Closers();
  let study: MadeStudy;
  let files: string[];
  let raw: Store;
  let anon: Store;

  beforeEach(async () => {
    closers = new Closers();
    folder = tempDir('rights');
    study = await makeStudy(join(folder.path, 'study'), {
      study: 1,
      mrn: 'M1',
      accession: 'A1',
      instances: 2,
    });
    files = [...study.files];
    [raw, anon] = await Promise.all([start('raw', 'PIXLRAW', vna), start('anon', 'PIXLANON', pixl)]);
  });
  afterEach(async () => {
    await closers.closeAll();
    folder.remove();
  });

  async function start(name: string, aeTitle: string, known: Caller): Promise<Store> {
    const [port] = (await freePorts(1)) as [number];
    const dir = join(folder.path, name);
    mkdirSync(dir);
    const config = JSON.parse(deployFile(`orthanc-${name}.json`)) as object;
    const here = { StorageDirectory: dir, IndexDirectory: dir, DicomPort: port };
    writeFileSync(join(dir, 'orthanc.json'), JSON.stringify({ ...config, ...here }));
    const viaKnown = await portOf(known.address, port);
    const managed = await startProcess({
      name: `orthanc-${name}`,
      command: 'Orthanc',
      args: [join(dir, 'orthanc.json')],
      logFile: join(dir, 'orthanc.log'),
      cwd: dir,
      env: environment,
      ready: () => echoscu({ aeTitle, host: '127.0.0.1', port: viaKnown }, known.aeTitle),
    });
    closers.add(name, async () => {
      await managed.stop(20_000);
    });
    const call: Store['call'] = async (tool, caller, args) => {
      const via = await portOf(caller.address, port);
      const timeouts = ['-to', '10', '-ta', '30', '-td', '30'];
      const titles = ['-aet', caller.aeTitle, '-aec', aeTitle];
      const options = ['-v', ...timeouts, ...titles, '127.0.0.1', `${via}`, ...args];
      const { code, stdout, stderr } = await run(tool, options, { allowFailure: true });
      const log = stdout + stderr;
      return { ok: code === 0 && !/^[EF]: /m.test(log), log };
    };
    return {
      call,
      images: async () => {
        const { log } = await call('findscu', pixl, ['-S', ...keys('IMAGE', study, ['SOPInstanceUID'])]);
        return log.split('(Pending)').length - 1;
      },
    };
  }

  /** A port of ours from which all goes on to `port`, and comes from `address`. */
  async function portOf(address: string, port: number): Promise<number> {
    const proxy = createServer((socket) => {
      const onward = connect({ host: '127.0.0.1', port, localAddress: address });
      for (const [one, other] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
        one.pipe(other);
      }
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    closers.add('proxy', () => new Promise<void>((resolve) => proxy.close(() => resolve())));
    return (proxy.address() as AddressInfo).port;
  }

  const find = (store: Store, caller: Caller): Promise<{ ok: boolean; log: string }> =>
    store.call('findscu', caller, ['-S', ...keys('STUDY', study)]);
  const get = async (store: Store, caller: Caller): Promise<{ ok: boolean; files: number }> => {
    const out = join(folder.path, `got-${(got += 1)}`);
    mkdirSync(out);
    const { ok } = await store.call('getscu', caller, ['-S', '+B', '-od', out, ...keys('STUDY', study)]);
    return { ok, files: readdirSync(out).length };
  };
  let got = 0;
  const move = (store: Store, caller: Caller): Promise<{ ok: boolean; log: string }> =>
    store.call('movescu', caller, ['-S', '-aem', caller.aeTitle, ...keys('STUDY', study)]);
  const send = (store: Store, caller: Caller): Promise<{ ok: boolean; log: string }> =>
    store.call('storescu', caller, files);

  it('let the archives alone send to raw, and us alone to anon', async () => {
    for (const caller of [...strangers, pixl])
      expect((await send(raw, caller)).ok, caller.aeTitle).to.equal(false);
    expect(await raw.images()).to.equal(0);
    for (const caller of [vna, pacs]) expect((await send(raw, caller)).ok, caller.aeTitle).to.equal(true);
    expect(await raw.images()).to.equal(2);

    for (const caller of [...strangers, vna, pacs])
      expect((await send(anon, caller)).ok, caller.aeTitle).to.equal(false);
    expect(await anon.images()).to.equal(0);
    expect((await send(anon, pixl)).ok).to.equal(true);
    expect(await anon.images()).to.equal(2);
  });

  it('tell and give what they hold to us, and to nobody else: no stranger, no archive', async () => {
    await send(raw, vna);
    await send(anon, pixl);
    for (const store of [raw, anon]) {
      const found = await find(store, pixl);
      expect(found.log).to.contain('(Pending)');
      expect(await get(store, pixl)).to.deep.equal({ ok: true, files: 2 });
      for (const caller of [...strangers, vna, pacs]) {
        const answer = await find(store, caller);
        expect([caller, answer.ok, answer.log.includes('(Pending)')]).to.deep.equal([caller, false, false]);
        expect([caller, await get(store, caller)]).to.deep.equal([caller, { ok: false, files: 0 }]);
        const moved = await move(store, caller);
        expect([caller, moved.ok, /\(Success\)/.test(moved.log)]).to.deep.equal([caller, false, false]);
      }
    }
  });
});

function keys(
  level: 'STUDY' | 'IMAGE',
  { studyInstanceUid, series }: MadeStudy,
  asked: readonly string[] = [],
): string[] {
  const all = [`QueryRetrieveLevel=${level}`, `StudyInstanceUID=${studyInstanceUid}`, ...asked];
  if (level === 'IMAGE') all.push(`SeriesInstanceUID=${series[0]!.seriesInstanceUid}`);
  return all.flatMap((key) => ['-k', key]);
}
