import { expect } from 'chai';
import { Script } from 'node:vm';
import { composeVariables, exists, page, variables } from '../docs/mentions.js';
import { deployFile, deployYaml, mapping, texts } from './files.js';

/** A plain name on Docker's own registry, with a tag: `node:20-bookworm-slim`, `jodogne/orthanc:1.12.1`. */
const PLAIN_IMAGE = /^[a-z0-9-]+(\/[a-z0-9-]+)?:[\w.-]+$/;

/** The instructions of the Dockerfile, continued lines joined. */
function instructions(): { readonly name: string; readonly rest: string }[] {
  const text = deployFile('Dockerfile')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, name, rest] = /^([A-Z]+) (.+)$/.exec(line)!;
      return { name: name!, rest: rest! };
    });
}

const all = (name: string): string[] =>
  instructions()
    .filter((one) => one.name === name)
    .map(({ rest }) => rest);

/** What is copied out of the project into the image. */
const copied = (): string[] =>
  all('COPY')
    .filter((rest) => !rest.startsWith('--from='))
    .flatMap((rest) => rest.split(' ').slice(0, -1));

describe('deploy/Dockerfile', () => {
  it('copies what there is, and what is not kept from the build', () => {
    const ignore = deployFile('Dockerfile.dockerignore').split('\n');
    expect(copied()).to.include.members(['bin', 'src', 'package-lock.json']);
    expect(ignore.filter((line) => line !== '' && !line.startsWith('#'))[0]).to.equal('*');
    for (const source of copied()) {
      expect(exists(source), source).to.equal(true);
      expect(ignore, source).to.include(`!${source}`);
    }
  });

  it('sends the build nothing else: no .env, no data', () => {
    const sent = deployFile('Dockerfile.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    expect(sent.sort()).to.deep.equal([...new Set(copied())].sort());
  });

  it('stands on a plain name that runs our Node, and names no other registry', () => {
    const images = all('FROM').map((rest) => rest.split(' ')[0]!);
    for (const image of images) expect(image).to.equal('node:20-bookworm-slim').and.to.match(PLAIN_IMAGE);
  });

  it('installs what the lock file says, runs no scripts of others, and keeps no development packages', () => {
    const installs = all('RUN').filter((rest) => rest.startsWith('npm ci'));
    expect(installs).to.have.length(2);
    for (const rest of installs) expect(rest).to.contain('--ignore-scripts');
    expect(installs.at(-1)).to.contain('--omit=dev');
  });

  it('runs the daemon as nobody in particular, and looks at its heart beat', () => {
    expect(all('USER')).to.deep.equal(['node']);
    expect(JSON.parse(all('ENTRYPOINT')[0]!)).to.deep.equal(['node', '/app/dist/bin/pixl-imaging.js']);
    expect(JSON.parse(all('CMD')[0]!)).to.deep.equal(['serve']);
    const [, check] = /CMD (\[.*\])$/.exec(all('HEALTHCHECK')[0]!)!;
    const [node, flag, script] = JSON.parse(check!) as string[];
    expect([node, flag]).to.deep.equal(['node', '-e']);
    expect(script).to.contain('/heart-beat');
    expect(() => new Script(script!), 'a script that can be read').not.to.throw();
  });
});

describe('deploy/compose.yaml', () => {
  const compose = mapping(deployYaml('compose.yaml'));
  const services = mapping(compose['services']);
  const own = mapping(services['pixl-imaging']);
  const environment = mapping(own['environment']);

  it('has the daemon, a broker, a database and two Orthancs', () => {
    expect(Object.keys(services).sort()).to.deep.equal(
      ['orthanc-anon', 'orthanc-raw', 'pixl-imaging', 'postgres', 'rabbitmq'].sort(),
    );
    for (const [name, service] of Object.entries(services))
      if (name !== 'pixl-imaging') expect(mapping(service)['image'], name).to.match(PLAIN_IMAGE);
  });

  it('sets and asks for variables of ours alone, and for the address of raw’s port', () => {
    const named = [...Object.keys(environment), ...composeVariables()].filter(
      (name) => name !== 'RAW_PUBLISHED_ADDRESS',
    );
    expect(named).to.include.members(['RABBITMQ_HOST', 'PIXL_API_TOKEN', 'PIXL_DB_PASSWORD']);
    const ours = variables();
    expect(named.filter((name) => !ours.has(name))).to.deep.equal([]);
  });

  it('leads the daemon to the services by their names', () => {
    for (const name of ['RABBITMQ_HOST', 'PIXL_DB_HOST', 'ORTHANC_RAW_DICOM_HOST', 'ORTHANC_ANON_DICOM_HOST'])
      expect(Object.keys(services), name).to.include(environment[name]);
    expect(Object.keys(services)).to.include.members(Object.keys(mapping(own['depends_on'])));
  });

  it('builds from what there is, mounts what there is, and declares each volume', () => {
    const build = mapping(own['build']);
    expect([build['context'], exists(build['dockerfile'] as string)]).to.deep.equal(['..', true]);
    const mounts = Object.values(services).flatMap((service) => texts(mapping(service)['volumes']));
    const named = mounts.map((mount) => mount.split(':')[0]!).filter((source) => !source.startsWith('.'));
    expect(named.sort()).to.deep.equal(Object.keys(mapping(compose['volumes'])).sort());
    for (const mount of mounts.filter((one) => one.startsWith('./')))
      expect(exists(`deploy/${mount.split(':')[0]!.slice(2)}`), mount).to.equal(true);
  });

  it('opens the API to this machine alone, and asks for a token', () => {
    expect(texts(own['ports'])).to.deep.equal(['127.0.0.1:7007:7007']);
    expect(environment['PIXL_API_TOKEN']).to.match(/^\$\{PIXL_API_TOKEN:\?/);
    for (const name of ['rabbitmq', 'postgres', 'orthanc-anon'])
      expect(mapping(services[name])['ports'], name).to.equal(undefined);
  });

  it('opens raw to the archives on one address, which has to be named', () => {
    const [port, ...further] = texts(mapping(services['orthanc-raw'])['ports']);
    expect([port, further]).to.deep.equal([
      '${RAW_PUBLISHED_ADDRESS:?the address of this machine to which the archives send}:4242:4242',
      [],
    ]);
  });

  it('has the stores know the daemon by its address, and the archives by theirs', () => {
    const address = mapping(mapping(own['networks'])['stores'])['ipv4_address'];
    for (const store of ['raw', 'anon']) {
      const service = mapping(services[`orthanc-${store}`]);
      const given = mapping(service['environment']);
      expect(texts(service['networks'])).to.deep.equal(['stores']);
      expect(given['PIXL_ADDRESS']).to.equal(address);
      const asked = [...deployFile(`orthanc-${store}.json`).matchAll(/\$\{([A-Z_]+)/g)];
      expect(asked.length).to.be.above(1);
      for (const [, name] of asked) expect(Object.keys(given), name).to.include(name);
    }
  });

  it('gives the daemon longer to stop than it may take', () => {
    const grace = Number(/^PIXL_SHUTDOWN_GRACE=(\d+)$/m.exec(page('.env.sample'))![1]);
    expect(parseInt(own['stop_grace_period'] as string, 10)).to.be.at.least(grace + 20);
  });

  for (const [store, aeTitle] of [
    ['raw', 'ORTHANC_RAW_AE_TITLE'],
    ['anon', 'ORTHANC_ANON_AE_TITLE'],
  ] as const)
    it(`sets its Orthanc as the operations page wants it (${store})`, () => {
      const orthanc = JSON.parse(deployFile(`orthanc-${store}.json`)) as Record<string, unknown>;
      expect(orthanc['DicomAet']).to.equal(environment[aeTitle]);
      const rows = page('docs/operations.md').matchAll(/^\| (`"\w+": [^|]+?) +\|/gm);
      const wanted = [...rows].flatMap(([, cell]) => [...cell!.matchAll(/"(\w+)": (true|false|\d+)/g)]);
      expect(wanted).to.have.length.above(4);
      for (const [, name, value] of wanted) expect(String(orthanc[name!]), name).to.equal(value);
      expect(mapping(mapping(services[`orthanc-${store}`])['environment'])['TCP_NODELAY']).to.equal('1');
    });
});

describe('deploy/prometheus-rules.yaml', () => {
  it('asks for metrics that there are, and says of each alert what it means', () => {
    const [group] = mapping(deployYaml('prometheus-rules.yaml'))['groups'] as [Parameters<typeof mapping>[0]];
    const rules = mapping(group)['rules'] as Parameters<typeof mapping>[0][];
    const known = page('docs/http-api.md');
    for (const rule of rules) {
      const { alert, expr, annotations } = mapping(rule);
      expect(mapping(annotations)['summary'], alert as string).to.be.a('string');
      for (const [metric] of (expr as string).matchAll(/pixl_\w+/g))
        expect(known, metric).to.contain(metric.replace(/_bucket$/, '').replace(/^pixl_limiter/, ''));
      expect(page('docs/operations.md'), alert as string).to.contain(`\`${alert as string}\``);
    }
  });
});
