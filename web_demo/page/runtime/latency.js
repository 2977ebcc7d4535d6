/** Milliseconds of the last frames. */

/** How many samples are kept. */
const KEPT = 60;

/** A ring of samples of one stage. */
export class Latency {
  #samples = new Float64Array(KEPT);
  #count = 0;

  /** @param {number} milliseconds */
  add(milliseconds) {
    this.#samples[this.#count++ % KEPT] = milliseconds;
  }

  clear() {
    this.#count = 0;
  }

  /** The median, NaN where there is none. */
  get median() {
    return quantile(this.#samples.subarray(0, Math.min(this.#count, KEPT)), 0.5);
  }
}

/**
 * The value below which a share of the samples lies, interpolated linearly.
 *
 * @param {ArrayLike<number>} samples
 * @param {number} share 0..1
 */
export function quantile(samples, share) {
  const sorted = Float64Array.from(samples).sort();
  if (!sorted.length) return Number.NaN;
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}
