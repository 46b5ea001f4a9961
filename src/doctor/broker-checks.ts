import { randomUUID } from 'node:crypto';
import { secondaryArchive, type Config } from '../core/config/index.js';
import { variables } from '../core/config/variables.js';
import {
  BrokerAuthenticationError,
  BrokerRefusedError,
  defaultRetryPolicy,
  delayQueueName,
  examineDelayQueue,
  examineQueue,
  Publisher,
  QueueMismatchError,
  retryDelayMs,
  UnroutableError,
  type BrokerConnection,
} from '../queue/index.js';
import { sound, type Check } from './check.js';
import type { DaemonAnswer } from './http-check.js';

const BROKER = 'broker';

/** Is RabbitMQ there, does it know us, and may we publish? */
export function brokerCheck(config: Config, connect: () => Promise<BrokerConnection>): Check {
  return {
    name: BROKER,
    run: async () => {
      const connection = await connect();
      await publishToNobody(connection);
      const { username } = config.rabbitmq;
      return sound(`${connection.broker} takes the user ${username}, who may publish`);
    },
    mendOf: brokerMend(config),
  };
}

/** Are the queues as the daemon would declare them? Those that are not there yet are made by it; this makes none. */
export function queuesCheck(
  config: Config,
  connect: () => Promise<BrokerConnection>,
  askDaemon: () => Promise<DaemonAnswer>,
): Check {
  return {
    name: 'queues',
    after: [BROKER],
    run: async () => {
      const connection = await connect();
      const details: string[] = [];
      let strangers = 0;
      const ours = (await askDaemon()) === 'none' ? 0 : 1;
      for (const queue of queuesOf(config)) {
        const there = await examineQueue(connection, queue);
        strangers = Math.max(strangers, (there?.consumers ?? 0) - ours);
        details.push(
          there === null ? `${queue} not there yet` : `${queue} as declared (${there.depth} waiting)`,
        );
      }
      for (const { queue, delayMs } of delayQueuesOf(config)) {
        const there = await examineDelayQueue(connection, queue, delayMs);
        if (there !== null && there.depth > 0)
          details.push(`${delayQueueName(queue, delayMs)} (${there.depth} waiting)`);
      }
      if (strangers > 0) details.push(strangersText(strangers, config.messageFormat));
      return sound(details.join(', '));
    },
    mendOf: brokerMend(config),
  };
}

/** AMQP tells how many consumers a queue has, and not whose they are. */
function strangersText(count: number, format: Config['messageFormat']): string {
  const those = `${count} ${count === 1 ? 'consumer that is' : 'consumers that are'} not of a daemon at this HTTP address`;
  if (format === 'jsonpickle') return those;
  const { name } = variables.messageFormat;
  return `${those}: if PIXL's own services are among them, set ${name}=jsonpickle, for they end at a message in plain JSON`;
}

/** A message to a queue that nobody has: the broker keeps nothing of it, and says whether it would have been let in. */
async function publishToNobody(connection: BrokerConnection): Promise<void> {
  const publisher = new Publisher({ connection });
  try {
    await publisher.publish(`pixl-imaging-doctor-${randomUUID()}`, Buffer.alloc(0));
  } catch (error) {
    if (!(error instanceof UnroutableError)) throw error;
  } finally {
    await publisher.close();
  }
}

function workQueuesOf(config: Config): string[] {
  const { primary, secondary } = config.queues;
  return secondaryArchive(config) === null ? [primary] : [primary, secondary];
}

function queuesOf(config: Config): string[] {
  return [...workQueuesOf(config), config.queues.failed];
}

function delayQueuesOf(config: Config): { readonly queue: string; readonly delayMs: number }[] {
  const attempts = Array.from({ length: config.limits.maxAttempts }, (_, index) => index + 1);
  const delays = [...new Set(attempts.map((attempt) => retryDelayMs(defaultRetryPolicy, attempt)))];
  return workQueuesOf(config).flatMap((queue) => delays.map((delayMs) => ({ queue, delayMs })));
}

function brokerMend({ rabbitmq }: Config): (error: unknown) => string {
  const { host, port, username, password, tls, tlsCa } = variables.rabbitmq;
  return (error) => {
    if (error instanceof QueueMismatchError)
      return `let ${error.queue} run empty and delete it (the daemon makes it anew), or name another one with PIXL_…_QUEUE`;
    if (error instanceof BrokerAuthenticationError)
      return `correct ${username.name} (${rabbitmq.username}) and ${password.name}; guest may only connect from the broker's own machine`;
    if (error instanceof BrokerRefusedError)
      return `give the user ${rabbitmq.username} the rights to configure, write and read (rabbitmqctl set_permissions)`;
    return (
      `start RabbitMQ, or correct ${host.name} (${rabbitmq.host}), ${port.name} (${rabbitmq.port}), ${tls.name} and ` +
      `${tlsCa.name}; if it is there, look for its memory and disk alarms`
    );
  };
}
