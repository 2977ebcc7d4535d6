/** Following one person: where to look next. */

/** @import { Box, Size } from "./affine.js" */
/** @import { Pose } from "./decode.js" */

const CONFIDENT = 0.3;
const FEWEST_CONFIDENT = 4;
/** Room for what lies beyond the keypoints: crown, hands and feet. */
const PADDING = 1.15;
/** The shorter side of a pose's box, of the longer one, at least. */
const NARROWEST = 0.25;
const SMALLEST_PX = 2;
const ROUNDS = 3;
const SETTLED_IOU = 0.85;

/**
 * @param {Size} size of the picture
 * @returns {Box}
 */
function wholePicture([width, height]) {
  return [0, 0, width, height];
}

/**
 * The box about the confident keypoints, within the picture.
 *
 * @param {Pose} pose
 * @param {Size} size of the picture
 * @returns {Box | null} null where fewer than four are confident, or they lie on one spot or outside
 */
function poseBox({ points, scores }, [width, height]) {
  let confident = 0;
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let k = 0; k < scores.length; k++) {
    if (!(scores[k] > CONFIDENT)) continue;
    confident++;
    left = Math.min(left, points[2 * k]);
    right = Math.max(right, points[2 * k]);
    top = Math.min(top, points[2 * k + 1]);
    bottom = Math.max(bottom, points[2 * k + 1]);
  }
  if (confident < FEWEST_CONFIDENT) return null;
  const least = NARROWEST * Math.max(right - left, bottom - top);
  const halfWidth = (Math.max(right - left, least) * PADDING) / 2;
  const halfHeight = (Math.max(bottom - top, least) * PADDING) / 2;
  const centre = [(left + right) / 2, (top + bottom) / 2];
  const low = [Math.max(centre[0] - halfWidth, 0), Math.max(centre[1] - halfHeight, 0)];
  const high = [Math.min(centre[0] + halfWidth, width), Math.min(centre[1] + halfHeight, height)];
  if (high[0] - low[0] < SMALLEST_PX || high[1] - low[1] < SMALLEST_PX) return null;
  return [low[0], low[1], high[0] - low[0], high[1] - low[1]];
}

/** One inference a frame: in the box of the last pose, or in the whole picture. */
export class PersonTracker {
  /** Where the person is expected. @type {Box | null} */
  #box = null;

  /** Whether that box comes from the last pose; not from the user, nor is it the whole picture. */
  tracked = false;

  /**
   * Look here in the next frame.
   *
   * @param {Box | null} box null: in the whole picture
   */
  choose(box) {
    this.#box = box;
    this.tracked = false;
  }

  /**
   * @param {Size} size of the picture
   * @returns {Box} to look in
   */
  look(size) {
    return this.#box ?? wholePicture(size);
  }

  /**
   * Go on from the pose that was found there.
   *
   * @param {Pose} pose
   * @param {Size} size of the picture
   */
  update(pose, size) {
    this.#box = poseBox(pose, size);
    this.tracked = this.#box !== null;
  }
}

/**
 * Finds one person in a still picture, as `mvpose-predict` does: from the whole picture, the box
 * moves to the keypoints until it settles.
 *
 * @param {(box: Box) => Promise<Pose>} estimate
 * @param {Size} size of the picture
 * @returns {Promise<{pose: Pose, box: Box}>} the pose and the box that it was found in
 */
export async function search(estimate, size) {
  const whole = wholePicture(size);
  let box = whole;
  let pose = await estimate(box);
  for (let round = 0; round < ROUNDS; round++) {
    const next = poseBox(pose, size);
    if (!next) {
      return box === whole ? { pose, box } : { pose: await estimate(whole), box: whole };
    }
    if (overlap(next, box) > SETTLED_IOU) break;
    box = next;
    pose = await estimate(box);
  }
  return { pose, box };
}

/**
 * Intersection over union.
 *
 * @param {Box} first
 * @param {Box} second
 */
function overlap(first, second) {
  const shared = [0, 1].map((i) =>
    Math.max(
      0,
      Math.min(first[i] + first[i + 2], second[i] + second[i + 2]) - Math.max(first[i], second[i]),
    ),
  );
  const both = shared[0] * shared[1];
  return both / Math.max(1e-9, first[2] * first[3] + second[2] * second[3] - both);
}
