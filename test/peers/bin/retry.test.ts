import { expect } from 'chai';
import { declareQueue, Header } from '../../../src/queue/index.js';
import { brokerEnv, runCli } from '../../support/cli.js';
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

  it('moves no more than the limit, and says how many are left', async () => {
    const { primary, secondary, failed, env } = await parked(missing, missing, missing, missing, missing);
    const { code, stdout } = await runCli(['retry', '--limit', '2'], { env });
    expect(code).to.equal(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.pop()).to.equal(`2 moved, 3 left in ${failed}`);
    expect(lines).to.have.members([`1 moved to ${primary}`, `1 moved to ${secondary}`]);
    await eventually(async () => expect(await broker.depth(failed)).to.equal(3));
  });

  it('has nothing to move from an empty queue, and that is no failure', async () => {
    const { failed, env } = await parked();
    const { code, stdout } = await runCli(['retry'], { env });
    expect(code).to.equal(0);
    expect(stdout).to.equal(`0 moved, 0 left in ${failed}\n`);
  });

  it('has nothing to move from a queue that nobody has made yet', async () => {
    const env = { ...brokerEnv(broker.rabbitmq), PIXL_FAILED_QUEUE: broker.queue() };
    const { code, json, stderr } = await runCli(['retry', '--json'], { env });
    expect(code, stderr).to.equal(0);
    expect(json()).to.deep.equal({ moved: 0, left: 0, by_queue: {} });
  });
});
