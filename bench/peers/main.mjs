// One process of a peer, a producer or a worker: `main.mjs PEER`. Told what to do by JSON lines on stdin, {"id", "do", "with"}; each is
// answered on stdout by {"id", "is"} or {"id", "error"}. A worker also says {"count"} while it works. Ends with its stdin.
import { createInterface } from 'node:readline';
import { batches, feed, fill, paced, single } from './produce.mjs';
import { chain, work } from './work.mjs';

const peer = await import(`./${process.argv[2]}.mjs`);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

let place, producer, worker, feeding, steps;

const orders = {
  // `where` is {url} or {redis}; `mode` is throughput or latency.
  async open({ where, mode }) { place = { ...where, mode }; },
  async prepare() { await peer.prepare(place); },
  async produce({ connections }) { producer = await peer.produce(place, connections); },
  fill: (how) => fill(producer, how),
  single: (how) => single(producer, how),
  batches: (how) => batches(producer, how),
  paced: (how) => paced(producer, how),
  feed: (how) => (feeding = feed(producer, how)).ended,
  fed: ({ done, stop }) => feeding.update(done, stop),
  async work({ latencies }) { worker = await work(peer, place, latencies, (count) => say({ count })); },
  report: () => worker.report(),
  async chain() { steps = await chain(peer, place); },
  follow: (how) => steps(how),
  unfinished: () => peer.unfinished(place),
};

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, do: order, with: how } = JSON.parse(line);
  try {
    say({ id, is: (await orders[order](how ?? {})) ?? null });
  } catch (e) {
    say({ id, error: e?.message || String(e) });
  }
}).on('close', () => process.exit(0));
