// BullMQ on Redis, whose file is synced each second: a crash loses up to a second of what was acknowledged. Ended jobs are removed: no history.
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

const name = 'bench';
const concurrency = { throughput: 300, latency: 50 };
const connection = ({ redis }) => ({ path: redis, maxRetriesPerRequest: null });

let watch;
const watcher = (place) => (watch ??= new Redis(connection(place)));

export const prepare = (place) => watcher(place).flushall();

// A connection carries any number of callers, since commands are pipelined; batches get connections of their own.
export async function produce(place, connections) {
  const defaultJobOptions = { removeOnComplete: true, removeOnFail: true };
  const queues = Array.from({ length: connections }, () => new Queue(name, { connection: connection(place), defaultJobOptions }));
  await Promise.all(queues.map((each) => each.waitUntilReady()));
  return {
    add: (payload) => queues[0].add(name, payload),
    addMany: (payloads, at) => queues[at].addBulk(payloads.map((data) => ({ name, data }))),
  };
}

export async function work(place, job) {
  const { add } = await produce(place, 1);
  const worker = new Worker(name, async ({ data }) => job(data, add), { connection: connection(place), concurrency: concurrency[place.mode] });
  worker.on('error', (e) => process.stderr.write(`${e.message}\n`));
  await worker.waitUntilReady();
}

export async function unfinished(place) {
  const [waiting, active] = await Promise.all(['wait', 'active'].map((list) => watcher(place).llen(`bull:${name}:${list}`)));
  return waiting + active > 0;
}
