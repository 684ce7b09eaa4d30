// The worker of a peer with a job that does nothing but count itself.
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
