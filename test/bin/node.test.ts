import { expect } from 'chai';
import { join } from 'node:path';
import { runCli } from '../support/cli.js';
import { startNodeProcess } from '../support/node.js';
import { withTempDir } from '../support/temp-dir.js';

describe('node', () => {
  const base = ['node', '--aet', 'NODE', '--port', '0', '--dir', 'store'];
  const wrong: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['no folder', ['node', '--aet', 'NODE', '--port', '0'], /--dir/],
    ['an AE title of 17 characters', ['node', '--aet', 'A'.repeat(17), '--port', '0', '--dir', 'x'], /--aet/],
    ['a port that is none', ['node', '--aet', 'NODE', '--port', '70000', '--dir', 'x'], /--port: "70000"/],
    ['a peer without a port', [...base, '--peer', 'PACS=localhost'], /--peer: "PACS=localhost" is not/],
    ['a right that is none', [...base, '--allow', 'VNA=echo,delete'], /--allow: "delete" is no right/],
    [
      'a caller from nowhere',
      [...base, '--allow', 'VNA=echo@10.0.0.0/33'],
      /--allow: "10\.0\.0\.0\/33" is no/,
    ],
    ['a certificate without its key', [...base, '--tls-cert', 'x.pem'], /--tls-cert and --tls-key/],
    [
      'a certificate that is not there',
      [...base, '--tls-cert', 'x.pem', '--tls-key', 'x.pem'],
      /x\.pem can't be read: ENOENT/,
    ],
    ['a project without --deidentify', [...base, '--project', 'p'], /go with --deidentify/],
    ['--deidentify without a key', [...base, '--deidentify'], /set PIXL_DEIDENTIFY_KEY_FILE/],
    [
      'an address that others reach, open to everybody',
      [...base, '--host', '0.0.0.0'],
      /--allow or --tls-ca/,
    ],
  ];
  for (const [what, args, says] of wrong)
    it(`ends with exit code 2 for ${what}`, async () => {
      const { code, stderr } = await runCli(args);
      expect(code, stderr).to.equal(2);
      expect(stderr).to.match(says);
    });

  it('says where it listens, ends with exit code 1 when the port is taken, and with 0 at SIGTERM', () =>
    withTempDir(async (path) => {
      const node = await startNodeProcess(join(path, 'store'), [
        '--peer',
        'PACS=localhost:104',
        'OTHER=[::1]:105',
      ]);
      const { code, stderr } = await runCli([
        ...['node', '--aet', 'NODE', '--port', `${node.port}`, '--dir', join(path, 'other')],
      ]);
      expect(code).to.equal(1);
      expect(stderr).to.contain('EADDRINUSE');
      node.cli.kill('SIGTERM');
      const ended = await node.cli.ended;
      expect(ended.code).to.equal(0);
      expect(ended.json()).to.deep.equal({
        aet: 'NODE',
        host: '127.0.0.1',
        port: node.port,
        dir: join(path, 'store'),
        images: 0,
      });
    }));
});
