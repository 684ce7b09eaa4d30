// pg-boss keeps ended jobs for a week, and so does this.
import pg from 'pg';
import { PgBoss } from 'pg-boss';

const queue = 'bench';
const settings = {
  // Many jobs wait: full batches follow each other without a pause.
  throughput: { batchSize: 1000, localConcurrency: 2, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true },
  latency: { batchSize: 20, localConcurrency: 2, pollingIntervalSeconds: 0.5 },
};
// Where there is always a job to fetch, notifications cost and give nothing.
const notifies = (mode) => mode === 'latency';

async function start({ url }, options) {
  const boss = new PgBoss({ connectionString: url, ...options });
  boss.on('error', (e) => process.stderr.write(`${e.message}\n`));
  await boss.start();
  return boss;
}

export async function prepare({ url, mode }) {
  const boss = await start({ url }, { supervise: false, schedule: false, max: 1 });
  await boss.createQueue(queue, { notify: notifies(mode) });
  await boss.stop({ graceful: false });
}

export async function produce(place, connections) {
  const boss = await start(place, { supervise: false, schedule: false, max: connections });
  return {
    add: (payload) => boss.send(queue, payload),
    addMany: (payloads) => boss.insert(queue, payloads.map((data) => ({ data }))),
  };
}

export async function work(place, job) {
  const boss = await start(place, { max: 20, useListenNotify: notifies(place.mode) });
  await boss.work(queue, settings[place.mode], async (jobs) => {
    for (const { data } of jobs) await job(data, (next) => boss.send(queue, next));
  });
}

let watch;
export async function unfinished({ url }) {
  watch ??= new pg.Pool({ connectionString: url, max: 1 });
  return (await watch.query("select exists (select from pgboss.job where name = $1 and state < 'completed') as some", [queue])).rows[0].some;
}
