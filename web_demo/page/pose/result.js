/** Keypoints as JSON, as `mvpose-predict` writes them. */

/** @import { Box, Size } from "./affine.js" */
/** @import { Pose } from "./decode.js" */
/** @import { Description } from "./description.js" */

/**
 * One person in one picture.
 *
 * @typedef {object} Found
 * @property {string} source of the picture: a file's name, or "camera"
 * @property {Size} size of the picture
 * @property {Box} box that the person was found in
 * @property {string} boxes where that box came from
 * @property {Pose} pose
 */

/**
 * The whole result: what ran and how, and the keypoints.
 *
 * @param {Description} description
 * @param {Record<string, string | number>} protocol what ran: runtime, device, threads, ...
 * @param {Found} found
 */
export function resultDocument(description, protocol, { source, size, box, boxes, pose }) {
  const keypoints = description.keypoints.map((name, k) => ({
    name,
    x_px: round(pose.points[2 * k], 2),
    y_px: round(pose.points[2 * k + 1], 2),
    score: round(pose.scores[k], 4),
  }));
  const person = {
    box_xywh_px: box.map((value) => round(value, 2)),
    score: round(pose.score, 4),
    keypoints,
  };
  return {
    schema: 1,
    model: description.name,
    protocol: {
      ...protocol,
      precision: description.recipe,
      decode: description.decode.method,
      boxes,
      flip_test: false,
      score_floor: description.decode.scoreFloor,
    },
    results: [{ image: source, width_px: size[0], height_px: size[1], people: [person] }],
  };
}

/**
 * @param {number} value
 * @param {number} digits
 */
function round(value, digits) {
  return Number(value.toFixed(digits));
}
