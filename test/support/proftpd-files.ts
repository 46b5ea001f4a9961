import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Authority, Identity } from './authority.js';
import { run } from './processes.js';

/**
 * Where the server listens, one port each; all lead to the same folder. `expired`, `selfSigned` and `wrongHost` show such
 * certificates, `noOverwrite` lets no file be replaced, `noRename` lets nothing get another name, `noDots` forbids names with
 * a dot in front, `narrow` has data ports of its own, `plain` speaks no TLS.
 */
export const PORTS = [
  'implicit',
  'explicit',
  'expired',
  'selfSigned',
  'wrongHost',
  'noOverwrite',
  'noRename',
  'noDots',
  'narrow',
  'plain',
] as const;
export type FtpsPort = (typeof PORTS)[number];

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly group: string;
  readonly isRoot: boolean;
}

/** As root the server gives up its rights to nobody; else it stays who it is, and can't shut itself into a folder. */
export function ownerOfFiles(): Owner {
  const { uid, gid, username: user } = userInfo();
  if (uid === 0) return { uid: 65_534, gid: 65_534, user: 'nobody', group: 'nogroup', isRoot: true };
  const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();
  return { uid, gid, user, group, isRoot: false };
}

export interface ServerFiles {
  readonly dir: string;
  readonly home: string;
  readonly authority: Authority;
  readonly users: readonly { readonly name: string; readonly password: string }[];
  readonly ports: Readonly<Record<FtpsPort, number>>;
  readonly passive: PortRange;
  readonly narrowRange: PortRange;
}

/** proftpd.conf, users and certificates; the tables for quotas are made anew by each reset. */
export async function writeServerFiles(files: ServerFiles): Promise<void> {
  await writeUsers(files);
  await writeCertificates(files);
  writeFileSync(join(files.dir, 'proftpd.conf'), configuration(files));
}

async function writeUsers({ dir, home, users }: ServerFiles): Promise<void> {
  const { uid, gid } = ownerOfFiles();
  const lines: string[] = [];
  for (const { name, password } of users) {
    const { stdout } = await run('openssl', ['passwd', '-6', '-stdin'], { input: `${password}\n` });
    lines.push(`${name}:${stdout.trim()}:${uid}:${gid}::${home}:/bin/sh\n`);
  }
  writeFileSync(join(dir, 'passwd'), lines.join(''), { mode: 0o600 });
}

async function writeCertificates({ dir, authority }: ServerFiles): Promise<void> {
  const write = (name: string, { cert, key }: Identity): void => {
    writeFileSync(join(dir, `${name}.pem`), Buffer.concat([cert, key]), { mode: 0o600 });
  };
  const here = 'DNS:localhost,IP:127.0.0.1,IP:127.0.0.2';
  write('good', await authority.sign('good', here));
  write('expired', await authority.sign('expired', here, -1));
  write('wrongHost', await authority.sign('wrongHost', 'DNS:ftps.elsewhere.example'));
  const [certificate, key] = [join(dir, 'self.crt'), join(dir, 'self.key')];
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=self', '-addext', `subjectAltName=${here}`, '-keyout', key, '-out', certificate],
  ]);
  write('selfSigned', { cert: readFileSync(certificate), key: readFileSync(key) });
  chmodSync(key, 0o600);
}

function configuration({ dir, ports, passive, narrowRange }: ServerFiles): string {
  const tls = (certificate: string, isImplicit = true): string[] => [
    'TLSEngine on',
    'TLSRequired on',
    'TLSProtocol TLSv1.2 TLSv1.3',
    `TLSECCertificateFile ${dir}/${certificate}.pem`,
    `TLSECCertificateKeyFile ${dir}/${certificate}.pem`,
    'TLSVerifyClient off',
    `TLSLog ${dir}/tls.log`,
    ...(isImplicit ? ['TLSOptions UseImplicitSSL'] : []),
  ];
  const host = (port: FtpsPort, lines: readonly string[], range = passive, overwrite = 'on'): string[] => [
    '<VirtualHost 127.0.0.1>',
    `Port ${ports[port]}`,
    `PassivePorts ${range.first} ${range.last}`,
    `AllowOverwrite ${overwrite}`,
    ...lines,
    '</VirtualHost>',
  ];
  return [
    ...server(dir),
    ...host('implicit', tls('good')),
    ...host('explicit', tls('good', false)),
    ...host('expired', tls('expired')),
    ...host('selfSigned', tls('selfSigned')),
    ...host('wrongHost', tls('wrongHost')),
    ...host('noOverwrite', tls('good'), passive, 'off'),
    ...host('noRename', [...tls('good'), '<Limit RNTO>', 'DenyAll', '</Limit>']),
    ...host('noDots', [...tls('good'), 'PathDenyFilter "(^|/)[.][^/]"']),
    ...host('narrow', tls('good'), narrowRange),
    ...host('plain', []),
    '',
  ].join('\n');
}

function server(dir: string): string[] {
  const { user, group, isRoot } = ownerOfFiles();
  return [
    'ModulePath /usr/lib/proftpd',
    'LoadModule mod_tls.c',
    'LoadModule mod_quotatab.c',
    'LoadModule mod_quotatab_file.c',
    'ServerName tests',
    'ServerType standalone',
    'MaxInstances 60',
    'DefaultAddress 127.0.0.1',
    'SocketBindTight on',
    'Port 0', // the virtual hosts alone
    'UseIPv6 off',
    'UseReverseDNS off',
    `User ${user}`,
    `Group ${group}`,
    `PidFile ${dir}/proftpd.pid`,
    `ScoreboardFile ${dir}/scoreboard`,
    `DelayTable ${dir}/delay`,
    'DelayEngine off',
    `SystemLog ${dir}/system.log`,
    'TransferLog none',
    'WtmpLog off',
    '<Global>',
    'AuthPAM off',
    'AuthOrder mod_auth_file.c',
    `AuthUserFile ${dir}/passwd`,
    'RequireValidShell off',
    ...(isRoot ? ['DefaultRoot ~'] : []),
    'TimesGMT on',
    'QuotaEngine on',
    `QuotaLimitTable file:${dir}/limit`,
    `QuotaTallyTable file:${dir}/tally`,
    `QuotaLog ${dir}/quota.log`,
    '</Global>',
  ];
}
