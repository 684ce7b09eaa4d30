// What producers do. A producer of a peer has add(payload) and addMany(payloads, connection).
import { monotonic, percentiles } from './figures.mjs';

const payload = { n: 1 };
const listOf = (n) => Array.from({ length: n }, () => payload);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
// As many loops side by side as there are callers or connections.
const sideBySide = (n, loop) => Promise.all(Array.from({ length: n }, (_, i) => loop(i)));

// So many jobs, in batches.
export async function fill(producer, { jobs, batch, connections }) {
  let left = jobs;
  const start = monotonic();
  await sideBySide(connections, async (connection) => {
    while (left > 0) {
      const n = Math.min(batch, left);
      left -= n;
      await producer.addMany(listOf(n), connection);
    }
  });
  return { jobs, seconds: monotonic() - start };
}

// Batches for so many seconds, each connection sending its next when the last is answered.
export async function batches(producer, { seconds, batch, connections }) {
  const list = listOf(batch);
  const took = [];
  const start = monotonic();
  await sideBySide(connections, async (connection) => {
    for (let at = start; at < start + seconds;) {
      const before = at;
      await producer.addMany(list, connection);
      at = monotonic();
      took.push(at - before);
    }
  });
  return { jobs: took.length * batch, seconds: monotonic() - start, ...percentiles(took) };
}

// Single jobs for so many seconds, each caller sending its next when the last is answered.
export async function single(producer, { callers, seconds }) {
  await sideBySide(callers, () => producer.add(payload)); // opens the connections
  const took = [];
  const start = monotonic();
  await sideBySide(callers, async () => {
    for (let at = start; at < start + seconds;) {
      const before = at;
      await producer.add(payload);
      at = monotonic();
      took.push(at - before);
    }
  });
  return { jobs: took.length, seconds: monotonic() - start, ...percentiles(took) };
}

// Single jobs at a fixed rate, whatever the answers. Each carries the moment it was sent.
export async function paced(producer, { rate, seconds }) {
  const count = rate * seconds;
  const answers = [];
  const start = monotonic();
  while (answers.length < count) {
    const due = Math.min(count, 1 + Math.floor((monotonic() - start) * rate));
    while (answers.length < due) answers.push(producer.add({ sent: monotonic() }));
    await pause(1);
  }
  await Promise.all(answers);
  return { jobs: count, seconds: monotonic() - start };
}

// Batches without end, as long as fewer than `ahead` jobs wait. update() says how many are done, and when to stop.
export function feed(producer, { batch, ahead, connections }) {
  const list = listOf(batch);
  let added = 0, done = 0, stopped = false;
  const ended = sideBySide(connections, async (connection) => {
    while (!stopped) {
      if (added - done >= ahead) {
        await pause(2);
        continue;
      }
      added += batch;
      await producer.addMany(list, connection);
    }
  });
  return { ended: ended.then(() => ({ jobs: added })), update: (n, stop) => { done = n; stopped = stop; } };
}
