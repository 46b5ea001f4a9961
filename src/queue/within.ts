/**
 * The promise's result, if it comes in time. AMQP's calls have no time limit of their own: on a connection that
 * hangs they would wait for the heartbeat.
 *
 * @param timeoutMs milliseconds.
 * @throws what `late` makes, when they are over; what the promise does later is ignored.
 */
export async function within<T>(promise: Promise<T>, timeoutMs: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(late());
    }, timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
