/** One person before a camera: where to look, and the keypoints to show. */

import { PoseSmoother } from "./smoothing.js";
import { PersonTracker } from "./tracking.js";

/** @import { Box, Size } from "./affine.js" */
/** @import { Pose } from "./decode.js" */

/**
 * Tracker and smoother together. The tracker goes on from keypoints as found, so that smoothing
 * never holds the box back; the smoother begins anew with every person who is not a tracked one.
 */
export class LiveSession {
  #tracker = new PersonTracker();
  #smoother;

  /**
   * @param {number} count keypoints
   * @param {number} scoreFloor below which keypoints are not smoothed
   */
  constructor(count, scoreFloor) {
    this.#smoother = new PoseSmoother(count, scoreFloor);
  }

  /** @param {Box | null} box the user's, or null for the whole picture */
  choose(box) {
    this.#tracker.choose(box);
  }

  /** Whether the next frame is looked at in the last pose's box. */
  get tracked() {
    return this.#tracker.tracked;
  }

  /** @param {Size} size of the picture */
  look(size) {
    return this.#tracker.look(size);
  }

  /**
   * The keypoints to show of the pose that was found in a box.
   *
   * @param {Pose} pose
   * @param {Box} box
   * @param {Size} size of the picture
   * @param {number} timeS of the frame
   */
  read(pose, box, size, timeS) {
    if (!this.#tracker.tracked) this.#smoother.forget();
    this.#tracker.update(pose, size);
    return this.#smoother.smooth(pose.points, pose.scores, Math.max(box[2], box[3]), timeS);
  }
}
