import { Ledger } from '../../../src/core/db/index.js';
import { Association } from '../../../src/dimse/association.js';
import { isPending } from '../../../src/dimse/message/status.js';
import { KeyedLock, RunningStudies } from '../../../src/pipeline/index.js';
import { InHand } from '../../../src/queue/in-hand.js';
import { Publisher } from '../../../src/queue/index.js';
import { RabbitmqSubscription } from '../../../src/queue/rabbitmq/subscription.js';
import { KillPlans, type KillPoint } from '../kill-plan.js';

/**
 * For `node --import`, before the program: the daemon kills itself at a point of a message's way, as `KillPlans` says. The
 * points are put around the methods of the program's classes from here, so that nothing in the program can do it.
 */
const plans = new KillPlans(new URL(import.meta.url).searchParams.get('folder') ?? '');
const plan = plans.get();
let left = plan?.time ?? 0;

function reached(point: KillPoint): void {
  if (point !== plan?.point) return;
  left -= 1;
  if (left > 0) return;
  plans.died(point);
  process.kill(process.pid, 'SIGKILL');
}

type Around<Method> = Method extends (...args: infer Args) => infer Result
  ? (call: () => Result, ...args: Args) => Result
  : never;

/** Puts `around` in the place of a method; it is given what would have been called. */
function wrap<Owner, Name extends keyof Owner>(owner: Owner, name: Name, around: Around<Owner[Name]>): void {
  const methods = owner as Record<Name, (...args: unknown[]) => unknown>;
  const instead = around as (call: () => unknown, ...args: unknown[]) => unknown;
  const original = methods[name];
  methods[name] = function (this: unknown, ...args) {
    return instead(() => Reflect.apply(original, this, args), ...args);
  };
}

wrap(InHand.prototype, 'take', (call) => {
  call();
  reached('when a delivery is taken');
});

// Only the journey takes this lock: when it knows the study, before it looks at it.
wrap(KeyedLock.prototype, 'run', (call) => {
  reached('after the study is found');
  return call();
});

wrap(RunningStudies.prototype, 'progress', (call, { step, done }) => {
  call();
  if (step === 'compare') reached('after it is compared with raw');
  if (step === 'deliver' && done === 0) reached('when all is in raw, before anything is delivered');
});

wrap(Association.prototype, 'sendWithIdentifier', async (call, _context, { type }) => {
  if (type === 'C-MOVE-RQ') reached('before C-MOVE');
  await call();
});

wrap(Association.prototype, 'sendCommand', async (call, _context, { type }) => {
  if (type === 'C-STORE-RQ') reached('between an instance of C-GET and its C-STORE');
  await call();
  if (type === 'C-STORE-RQ') reached('behind the command of C-STORE, before its data set');
});

wrap(Association.prototype, 'receiveCommand', async (call) => {
  const event = await call();
  const { command } = event;
  if (command.type === 'C-STORE-RQ') reached('when an instance comes by C-GET');
  if (command.type === 'C-STORE-RSP') reached("after anon's response");
  if (command.type === 'C-GET-RSP' && !isPending(command.status)) reached('after the last response of C-GET');
  if (command.type === 'C-MOVE-RSP') {
    if (!isPending(command.status)) reached('after C-MOVE, before raw is asked again');
    else if ((command.numberOfCompletedSubOperations ?? 0) <= 1)
      reached('after the first pending response of C-MOVE');
  }
  return event;
});

wrap(Ledger.prototype, 'record', async (call, { ending }) => {
  const writes = ending !== 'retry' && ending !== 'forward';
  if (writes) reached('before the row of the ledger');
  await call();
  if (writes) reached('after the row of the ledger, before the message is settled');
});

wrap(Publisher.prototype, 'publish', async (call, queue) => {
  await call();
  if (/\.retry\.\d+$/.test(queue)) reached('after a retry is published, before the ack');
  else if (queue === process.env['PIXL_FAILED_QUEUE']) reached('after a message is parked, before the ack');
  else reached('after a forward is published, before the ack');
});

/** Long enough for an ack to leave the process. */
const ON_ITS_WAY_MS = 50;

wrap(RabbitmqSubscription, 'open', async (call) => {
  const subscription = await call();
  wrap(subscription.channel, 'ack', (ack) => {
    ack();
    reached('at the ack'); // it is in a buffer of ours, and goes with us
    setTimeout(() => reached('after the ack'), ON_ITS_WAY_MS);
  });
  return subscription;
});
