// Seconds of CLOCK_MONOTONIC: the same clock in every process of the machine.
export const monotonic = () => Number(process.hrtime.bigint()) / 1e9;

// By the nearest rank, in milliseconds, of values in seconds.
export function percentiles(values) {
  if (values.length === 0) return {};
  const sorted = Float64Array.from(values).sort();
  const at = (share) => 1000 * sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return { p50: at(0.5), p99: at(0.99) };
}
