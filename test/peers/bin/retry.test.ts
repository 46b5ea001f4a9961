import { expect } from 'chai';
import { declareQueue, Header } from '../../../src/queue/index.js';
import { brokerEnv, runCli, type CliResult } from '../../support/cli.js';
import { eventually } from '../../support/eventually.js';
import { useBroker } from '../queue/broker-fixture.js';

interface Parked {
  readonly outcome: string;
  readonly code: string;
  readonly reason: string;
  readonly project?: string;
  readonly body?: string;
  readonly priority?: number;
}

function bodyFor(project: string, accession: string): string {
  return JSON.stringify({
    mrn: 'CANARYM-RETRY',
    accession_number: accession,
    study_uid: '',
    study_date: '2023-01-01',
    procedure_occurrence_id: 1,
    project_name: project,
    extract_generated_timestamp: '2023-01-01T00:00:00Z',
  });
}

describe('pixl-imaging retry', () => {
  const broker = useBroker();

  async function parked(...messages: readonly Parked[]): Promise<{
    readonly primary: string;
    readonly secondary: string;
    readonly failed: string;
    readonly env: Record<string, string>;
  }> {
    const [primary, secondary, failed] = [broker.queue(), broker.queue(), broker.queue()];
    const connection = await broker.connection();
    for (const queue of [primary, secondary, failed]) await declareQueue(connection, queue);
    const publisher = await broker.publisher();
    for (const [index, { outcome, code, reason, project = 'P', body, priority = 1 }] of messages.entries())
      await publisher.publish(failed, Buffer.from(body ?? bodyFor(project, `CANARYA${index}`)), {
        priority,
        headers: {
          [Header.outcome]: outcome,
          [Header.code]: code,
          [Header.reason]: reason,
          [Header.attempts]: 6,
          [Header.queue]: index % 2 === 0 ? primary : secondary,
        },
      });
    const env = {
      ...brokerEnv(broker.rabbitmq),
      PIXL_PRIMARY_QUEUE: primary,
      PIXL_SECONDARY_QUEUE: secondary,
      PIXL_FAILED_QUEUE: failed,
    };
    return { primary, secondary, failed, env };
  }

  const missing = { outcome: 'missing', code: 'STUDY_NOT_FOUND', reason: 'the study is in neither' };
  const refused = { outcome: 'failed', code: 'CONNECTION', reason: 'VNA (127.0.0.1:1): ECONNREFUSED' };

  it('moves all messages back to where they came from, with bytes and priority', async () => {
    const { primary, secondary, failed, env } = await parked({ ...missing, priority: 4 }, refused);
    const { code, stderr, json } = await runCli(['retry', '--json'], { env });
    expect(code, stderr).to.equal(0);
    expect(json()).to.deep.equal({ moved: 2, left: 0, by_queue: { [primary]: 1, [secondary]: 1 } });
    const [message] = await broker.drain(primary);
    expect(message?.content.toString()).to.equal(bodyFor('P', 'CANARYA0'));
    expect(message?.properties.priority).to.equal(4);
    expect(await broker.depth(failed)).to.equal(0);
  });

  for (const [what, reason, moved] of [
    ['an outcome', 'missing', 2],
    ['a code', 'CONNECTION', 1],
    ['words of a reason', 'ECONNREFUSED', 1],
    ['something that none has', 'no such reason', 0],
  ] as const)
    it(`chooses by ${what}`, async () => {
      const { failed, env } = await parked(missing, refused, missing);
      const { code, json } = await runCli(['retry', '--reason', reason, '--json'], { env });
      expect(code).to.equal(0);
      expect(json()).to.deep.include({ moved, left: 3 - moved });
      await eventually(async () => expect(await broker.depth(failed)).to.equal(3 - moved));
    });

  it('chooses by project, and leaves what can not be read', async () => {
    const { primary, env } = await parked(
      { ...missing, project: 'One' },
      { ...missing, project: 'Two' },
      { outcome: 'rejected', code: 'MESSAGE_REJECTED', reason: 'message: not JSON', body: 'One' },
    );
    const { code, json, stdout, stderr } = await runCli(['retry', '--project', 'One', '--json'], { env });
    expect(code).to.equal(0);
    expect(json()).to.deep.equal({ moved: 1, left: 2, by_queue: { [primary]: 1 } });
    expect(stdout + stderr).not.to.contain('CANARYM-RETRY');
  });

  it('says with --dry-run what it would move, and moves nothing', async () => {
    const { primary, secondary, failed, env } = await parked(missing, refused, missing);
    const args = ['retry', '--reason', 'missing', '--dry-run'];
    const { code, stdout, stderr } = await runCli(args, { env: { ...env, LOG_LEVEL: 'info' } });
    expect([code, stdout, stderr]).to.deep.equal([
      0,
      `2 would be moved to ${primary}\n2 would be moved, 1 left in ${failed}\n`,
      '',
    ]);
    expect((await runCli([...args, '--limit', '1', '--json'], { env })).json()).to.deep.equal({
      ...{ moved: 1, left: 2, by_queue: { [primary]: 1 }, dry_run: true },
    });
    expect(await Promise.all([primary, secondary, failed].map((queue) => broker.depth(queue)))).to.deep.equal(
      [...[0, 0, 3]],
    );
  });

  it('is told by failed list what there is, by project and reason; failed purge throws away what is chosen', async () => {
    const unreadable = { ...missing, code: 'MESSAGE_REJECTED', reason: 'no\x1b[31m JSON', body: '{' };
    const { failed, env } = await parked(missing, refused, { ...missing, project: 'Q' }, missing, unreadable);
    const list = await runCli(['failed', 'list', '--json'], { env });
    expect(list.code, list.stderr).to.equal(0);
    const groups = (list.json() as Record<string, unknown>[]).map((group) => [
      ...[group['messages'], group['project_name'], group['outcome'], group['code'], group['reason']],
    ]);
    expect(groups[0]).to.deep.equal([2, 'P', 'missing', 'STUDY_NOT_FOUND', missing.reason]);
    expect(groups).to.deep.include([1, 'Q', 'missing', 'STUDY_NOT_FOUND', missing.reason]);
    expect(groups).to.deep.include([1, null, 'missing', 'MESSAGE_REJECTED', unreadable.reason]);
    expect(groups).to.have.length(4);
    const shown = (await runCli(['failed', 'list'], { env })).stdout;
    for (const line of shown.split('\n')) expect(line.length).to.be.at.most(100);
    expect(shown).not.to.contain('\x1b');
    expect(await broker.depth(failed)).to.equal(5);

    const unsure = await runCli(['failed', 'purge'], { env });
    expect([unsure.code, unsure.stdout]).to.deep.equal([2, '']);
    expect(unsure.stderr).to.contain('it wants --yes');
    expect(await broker.depth(failed)).to.equal(5);
    const purge = ['failed', 'purge', '--yes', '--json'];
    const some = await runCli([...purge, '--reason', 'STUDY_NOT_FOUND', '--project', 'P'], { env });
    expect(some.json()).to.deep.equal({ purged: 2, left: 3 });
    expect(await broker.depth(failed)).to.equal(3);
    expect((await runCli(purge, { env })).json()).to.deep.equal({ purged: 3, left: 0 });
    expect((await runCli(['failed', 'list'], { env })).stdout).to.equal(`nothing in ${failed}\n`);
  });

  it('asks on a terminal before it throws anything away', async () => {
    const { failed, env } = await parked(missing);
    const ask = (answer: string): Promise<CliResult> =>
      runCli(['failed', 'purge'], { env: { ...env, LOG_LEVEL: 'info' }, tty: true, input: `${answer}\n` });
    const no = await ask('n');
    expect(no.code).to.equal(1);
    expect(no.stderr).to.contain('Go on? [y/N]');
    expect(await broker.depth(failed)).to.equal(1);
    expect((await ask('y')).code).to.equal(0);
    expect(await broker.depth(failed)).to.equal(0);
  });

  it('moves no more than the limit, and says how many are left', async () => {
    const { primary, secondary, failed, env } = await parked(missing, missing, missing, missing, missing);
    const { code, stdout } = await runCli(['retry', '--limit', '2'], { env });
    expect(code).to.equal(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.pop()).to.equal(`2 moved, 3 left in ${failed}`);
    expect(lines).to.have.members([`1 moved to ${primary}`, `1 moved to ${secondary}`]);
    await eventually(async () => expect(await broker.depth(failed)).to.equal(3));
  });

  it('has nothing to move from a queue that nobody has made yet', async () => {
    const env = { ...brokerEnv(broker.rabbitmq), PIXL_FAILED_QUEUE: broker.queue() };
    const { code, json, stderr } = await runCli(['retry', '--json'], { env });
    expect(code, stderr).to.equal(0);
    expect(json()).to.deep.equal({ moved: 0, left: 0, by_queue: {} });
  });
});
