/** Heatmaps -> keypoints. */

import { invert, transform } from "./affine.js";
import { rint } from "./crop.js";

/** @import { Matrix, Size } from "./affine.js" */

/**
 * @typedef {object} DecodeRule
 * @property {"dark" | "quarter" | "argmax"} method
 * @property {number} sigmaCells of the training Gaussians at a 64 x 64 heatmap
 * @property {"corners" | "stride"} grid where cells lie: the corner cells on the corner pixels
 *   (UDP), or cell i on pixel i * stride
 * @property {number} scoreFloor a pose's score is the mean of its keypoints' above this
 */

/**
 * The keypoints of one person; each inference writes over them.
 *
 * @typedef {object} Pose
 * @property {Float64Array} points x, y of each keypoint, in pixels of the picture
 * @property {Float64Array} scores peak heights, about 0..1
 * @property {number} score of the whole pose
 */

/** Reads keypoints off heatmaps of one size; its buffers serve all of them. */
export class HeatmapDecoder {
  /**
   * @param {DecodeRule} rule
   * @param {Size} heatmapSize in cells
   * @param {number} count keypoints
   * @param {Size} inputSize of the crop in pixels
   */
  constructor(rule, heatmapSize, count, inputSize) {
    this.rule = rule;
    this.width = heatmapSize[0];
    this.height = heatmapSize[1];
    this.count = count;
    const ends = rule.grid === "corners" ? 1 : 0;
    /** Crop pixels from one cell to the next. */
    this.pxPerCell = [0, 1].map((i) => (inputSize[i] - ends) / (heatmapSize[i] - ends));
    this.kernel = gaussian((rule.sigmaCells * this.height) / 64);
    /** x, y of each keypoint in heatmap cells. */
    this.cells = new Float64Array(2 * count);
    this.nine = new Float64Array(9);
    /** @type {Pose} */
    this.pose = { points: new Float64Array(2 * count), scores: new Float64Array(count), score: 0 };
  }

  /**
   * @param {Float32Array} maps height x width x keypoints
   * @param {Matrix} matrix from the picture to the crop
   * @returns {Pose} which the next call writes over
   * @throws {RangeError} the heatmaps hold NaN or infinity
   */
  decode(maps, matrix) {
    this.#findPeaks(maps);
    const { cells, pose, rule } = this;
    const back = invert(matrix);
    for (let k = 0; k < this.count; k++) {
      const step = this.#step(maps, k);
      cells[2 * k] += step[0];
      cells[2 * k + 1] += step[1];
      const [x, y] = transform(
        back,
        cells[2 * k] * this.pxPerCell[0],
        cells[2 * k + 1] * this.pxPerCell[1],
      );
      pose.points[2 * k] = x;
      pose.points[2 * k + 1] = y;
    }
    pose.score = poseScore(pose.scores, rule.scoreFloor);
    return pose;
  }

  /** @param {Float32Array} maps */
  #findPeaks(maps) {
    const { cells, count, width } = this;
    const { scores } = this.pose;
    scores.fill(Number.NEGATIVE_INFINITY);
    let sum = 0;
    for (let cell = 0, at = 0; cell < width * this.height; cell++) {
      for (let k = 0; k < count; k++, at++) {
        const value = maps[at];
        sum += value;
        if (value > scores[k]) {
          scores[k] = value;
          cells[2 * k] = cell % width;
          cells[2 * k + 1] = Math.floor(cell / width);
        }
      }
    }
    if (Number.isFinite(sum)) return;
    throw new RangeError("the model gives NaN or infinity - choose another");
  }

  /**
   * From the highest cell to the keypoint.
   *
   * @param {Float32Array} maps
   * @param {number} k
   * @returns {readonly [number, number]}
   */
  #step(maps, k) {
    if (this.rule.method === "argmax") return [0, 0];
    const x = this.cells[2 * k];
    const y = this.cells[2 * k + 1];
    if (this.rule.method === "quarter") {
      const value = (/** @type {number} */ i, /** @type {number} */ j) =>
        maps[(j * this.width + i) * this.count + k];
      const inX = x > 0 && x < this.width - 1;
      const inY = y > 0 && y < this.height - 1;
      return [
        inX ? 0.25 * Math.sign(value(x + 1, y) - value(x - 1, y)) : 0,
        inY ? 0.25 * Math.sign(value(x, y + 1) - value(x, y - 1)) : 0,
      ];
    }
    this.#blurredNine(maps, k, x, y);
    return newtonStep(this.nine);
  }

  /**
   * Logarithms of the 3 x 3 values about a cell of the blurred map: zeros beyond the border, whose
   * own values are repeated there; clipped at 1e-3.
   *
   * @param {Float32Array} maps
   * @param {number} k
   * @param {number} x
   * @param {number} y
   */
  #blurredNine(maps, k, x, y) {
    const { width, height, nine } = this;
    for (let row = 0; row < 3; row++) {
      const centreY = clamp(y + row - 1, 0, height - 1);
      for (let column = 0; column < 3; column++) {
        const centreX = clamp(x + column - 1, 0, width - 1);
        const value = this.#blurred(maps, k, centreX, centreY);
        nine[3 * row + column] = Math.log(clamp(value, 1e-3, 50));
      }
    }
  }

  /**
   * @param {Float32Array} maps
   * @param {number} k
   * @param {number} x
   * @param {number} y
   */
  #blurred(maps, k, x, y) {
    const { kernel, width, height, count } = this;
    const radius = (kernel.length - 1) / 2;
    let value = 0;
    for (let j = Math.max(0, y - radius); j <= Math.min(height - 1, y + radius); j++) {
      let line = 0;
      for (let i = Math.max(0, x - radius); i <= Math.min(width - 1, x + radius); i++) {
        line += kernel[i - x + radius] * maps[(j * width + i) * count + k];
      }
      value += kernel[j - y + radius] * line;
    }
    return value;
  }
}

/**
 * Mean of the keypoint scores above a floor; 0 where there are none.
 *
 * @param {Float64Array} scores
 * @param {number} floor
 */
function poseScore(scores, floor) {
  let sum = 0;
  let kept = 0;
  for (const score of scores) {
    if (score > floor) {
      sum += score;
      kept++;
    }
  }
  return sum / Math.max(kept, 1);
}

/**
 * DARK's Newton step to the top of the Gaussian (Zhang et al., CVPR 2020, arXiv 1910.06278,
 * equation 9), at most one cell; 0 where there is no maximum.
 *
 * @param {Float64Array} v 3 x 3 logarithms
 * @returns {readonly [number, number]}
 */
function newtonStep(v) {
  const dx = (v[5] - v[3]) / 2;
  const dy = (v[7] - v[1]) / 2;
  const dxx = v[5] - 2 * v[4] + v[3];
  const dyy = v[7] - 2 * v[4] + v[1];
  const dxy = (v[8] - v[6] - v[2] + v[0]) / 4;
  const determinant = dxx * dyy - dxy * dxy;
  if (!(determinant > 1e-12 && dxx < 0)) return [0, 0];
  return [
    clamp((dxy * dy - dyy * dx) / determinant, -1, 1),
    clamp((dxy * dx - dxx * dy) / determinant, -1, 1),
  ];
}

/**
 * The weights of a Gaussian of radius 2.5 sigma, which sum to 1.
 *
 * @param {number} sigma
 */
function gaussian(sigma) {
  const radius = rint(2.5 * sigma);
  const weights = new Float64Array(2 * radius + 1);
  for (let i = 0; i < weights.length; i++) {
    weights[i] = Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma));
  }
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
