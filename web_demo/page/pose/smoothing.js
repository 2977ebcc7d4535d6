/** Keypoints that do not tremble: the One Euro filter (Casiez, Roussel & Vogel, CHI 2012). */

const LONGEST_GAP_S = 0.5;

/**
 * @typedef {object} OneEuro
 * @property {number} minCutoffHz cut-off frequency at rest; lower trembles less
 * @property {number} beta growth of the cut-off, in Hz for one person's length a second
 * @property {number} speedCutoffHz cut-off frequency of the speed itself
 */

/** @type {OneEuro} */
export const SETTINGS = { minCutoffHz: 1.5, beta: 10, speedCutoffHz: 1 };

/** The filter of one person's keypoints; speeds count in lengths of the person. */
export class PoseSmoother {
  #lastS = Number.NaN;

  /**
   * @param {number} count keypoints
   * @param {number} scoreFloor a keypoint below it is forgotten and comes out as it is
   */
  constructor(count, scoreFloor) {
    this.scoreFloor = scoreFloor;
    this.points = new Float64Array(2 * count);
    this.speeds = new Float64Array(2 * count);
    this.known = new Uint8Array(count);
    this.shown = new Float64Array(2 * count);
  }

  /** Begin anew with the next frame. */
  forget() {
    this.known.fill(0);
  }

  /**
   * @param {Float64Array} points x, y of each keypoint as found
   * @param {Float64Array} scores
   * @param {number} lengthPx of the person: the longer side of the box looked in
   * @param {number} timeS of the frame; a step back or a long one begins anew
   * @returns {Float64Array} x, y of each keypoint to show, which the next call writes over
   */
  smooth(points, scores, lengthPx, timeS) {
    const stepS = timeS - this.#lastS;
    this.#lastS = timeS;
    if (!(stepS > 0 && stepS <= LONGEST_GAP_S)) this.forget();
    for (let k = 0; k < scores.length; k++) {
      if (this.known[k]) this.#follow(k, points, lengthPx, stepS);
      else this.#begin(k, points);
      this.shown[2 * k] = this.points[2 * k];
      this.shown[2 * k + 1] = this.points[2 * k + 1];
      this.known[k] = 1;
      if (scores[k] < this.scoreFloor) {
        this.shown[2 * k] = points[2 * k];
        this.shown[2 * k + 1] = points[2 * k + 1];
        this.known[k] = 0;
      }
    }
    return this.shown;
  }

  /**
   * @param {number} k
   * @param {Float64Array} points
   */
  #begin(k, points) {
    for (const at of [2 * k, 2 * k + 1]) {
      this.points[at] = points[at];
      this.speeds[at] = 0;
    }
  }

  /**
   * @param {number} k
   * @param {Float64Array} points
   * @param {number} lengthPx
   * @param {number} stepS
   */
  #follow(k, points, lengthPx, stepS) {
    const { minCutoffHz, beta, speedCutoffHz } = SETTINGS;
    const pair = [2 * k, 2 * k + 1];
    const ofSpeed = share(speedCutoffHz, stepS);
    for (const at of pair) {
      const speed = (points[at] - this.points[at]) / stepS / lengthPx;
      this.speeds[at] = ofSpeed * speed + (1 - ofSpeed) * this.speeds[at];
    }
    const fast = Math.hypot(this.speeds[pair[0]], this.speeds[pair[1]]);
    const ofPoint = share(minCutoffHz + beta * fast, stepS);
    for (const at of pair) {
      this.points[at] = ofPoint * points[at] + (1 - ofPoint) * this.points[at];
    }
  }
}

/**
 * How much of the new value a low-pass filter takes.
 *
 * @param {number} cutoffHz
 * @param {number} stepS
 */
function share(cutoffHz, stepS) {
  return 1 / (1 + 1 / (2 * Math.PI * cutoffHz * stepS));
}
