import type { Command } from 'commander';
import type { NodeCommandOptions } from '../commands/node.js';
import type { ExitCode } from '../exit-codes.js';

export function addNodeCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('node')
    .description('A DICOM node on a folder: takes what is stored to it, and is queried and retrieved from.')
    .requiredOption('--aet <title>', 'its AE title; nothing else is answered to')
    .requiredOption('--port <port>', 'its TCP port; 0 takes any that is free')
    .requiredOption('--dir <folder>', 'where it keeps what is stored; made if need be')
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .option(
      '--peer <title=host:port...>',
      'nodes that a C-MOVE may name as destination; who calls by their AE titles must do it from their hosts',
      [],
    )
    .option(
      '--allow <caller...>',
      'who is let in, TITLE[=RIGHTS][@FROM]; default everybody for everything, on a loopback address alone',
      [],
    )
    .option('--max-associations <number>', 'associations at a time; idle ones make room', '32')
    .option('--max-associations-per-address <number>', 'of these with one address; default three quarters')
    .option('--tls-cert <file>', 'DICOM over TLS: its certificate, PEM')
    .option('--tls-key <file>', 'and the key of that')
    .option('--tls-ca <file>', 'peers must show a certificate that this authority has signed')
    .option('--deidentify', 'de-identify what is stored before it is kept; wants PIXL_DEIDENTIFY_KEY_FILE')
    .option('--project <name>', 'with it: the project of instances that name none in (000D,1001)')
    .option('--option <name...>', "with it: options of the Basic Profile, such as 'clean-descriptors'", [])
    .option(
      '--allow-sop-class <uid...>',
      'with it: classes that are taken although their kind is left out',
      [],
    )
    .option('--quiet', 'log warnings and errors alone')
    .option('--json', 'print where it listens as JSON')
    .addHelpText(
      'after',
      '\nIt ends at SIGTERM or SIGINT, in order. The log is JSON lines on standard error.' +
        '\n\nRights: echo, store, find, get, move, joined by commas; without them all. From: addresses, networks and host' +
        '\nnames, joined by commas, or * for any; without it the host of the --peer with that title, else any.' +
        "\n`--allow '*'` lets everybody in on any address, `--allow '*=echo,store'` for no more than that." +
        '\n\n--deidentify: docs/deidentification.md says what is done. With PIXL_DB_HOST and the others the pseudonyms of the table' +
        '\n`image` are used and filled in; with PROJECT_CONFIGS_DIR each project has the rules of its file.' +
        '\n\nExamples:\n  $ pixl-imaging node --aet STORE --port 11112 --dir ./store --peer PIXL=127.0.0.1:11113' +
        '\n  $ pixl-imaging node --aet STORE --port 11112 --dir ./store --host 0.0.0.0 \\' +
        '\n      --allow VNA=echo,store@10.1.0.0/16 PIXL=echo,find,get@127.0.0.1' +
        '\n  $ PIXL_DEIDENTIFY_KEY_FILE=./key pixl-imaging node --aet ANON --port 11113 --dir ./anon --deidentify',
    )
    .action(async (options: NodeCommandOptions) => {
      const { node } = await import('../commands/node.js');
      done(await node(options));
    });
}
