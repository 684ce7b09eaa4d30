// graphile-worker deletes a job when it has ended: no history.
import { Logger, makeWorkerUtils, run, runMigrations } from 'graphile-worker';
import pg from 'pg';

const logger = new Logger(() => () => {});
const task = 'bench';
const settings = {
  // Many jobs wait: they are fetched by the thousand and completed in batches.
  throughput: { concurrentJobs: 50, maxPoolSize: 10, localQueue: { size: 2000 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
  // Few wait: each is fetched when its notification comes.
  latency: { concurrentJobs: 10, maxPoolSize: 12 },
};

export const prepare = ({ url }) => runMigrations({ connectionString: url, logger, preset: {} });

export async function produce({ url }, connections) {
  const pgPool = new pg.Pool({ connectionString: url, max: connections });
  const utils = await makeWorkerUtils({ pgPool, logger });
  return {
    add: (payload) => utils.addJob(task, payload),
    addMany: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: task, payload }))),
  };
}

export async function work({ url, mode }, job) {
  const taskList = { [task]: (payload, helpers) => job(payload, (next) => helpers.addJob(task, next)) };
  await run({ connectionString: url, logger, noHandleSignals: true, taskList, preset: { worker: settings[mode] } });
}

let watch;
export async function unfinished({ url }) {
  watch ??= new pg.Pool({ connectionString: url, max: 1 });
  return (await watch.query('select exists (select from graphile_worker._private_jobs) as some')).rows[0].some;
}
