// The workers of a peer. Their work(place, job) calls job(payload, add) for each job; add(payload) enqueues another by the means that handlers have.

// A job that does nothing but count itself.
import { monotonic, percentiles } from './figures.mjs';

const betweenCounts = 50; // ms

export async function work(peer, place, latencies, tell) {
  let count = 0, first = null;
  const waited = [];
  await peer.work(place, (payload) => {
    first ??= monotonic();
    count++;
    if (latencies) waited.push(monotonic() - payload.sent);
  });
  setInterval(() => tell(count), betweenCounts);
  return { report: () => ({ count, first, ...percentiles(waited) }) };
}

// A job that enqueues the next, until the last of so many has run.
export async function chain(peer, place) {
  const producer = await peer.produce(place, 1);
  let ended;
  await peer.work(place, async ({ left }, add) => {
    if (left > 0) await add({ left: left - 1 });
    else ended();
  });
  return async ({ steps }) => {
    const start = monotonic();
    const last = new Promise((resolve) => { ended = resolve; });
    await producer.add({ left: steps - 1 });
    await last;
    return { jobs: steps, seconds: monotonic() - start };
  };
}
