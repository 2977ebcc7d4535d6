/** Drawing poses, as `mvpose-predict` does: left limbs orange, right ones blue, the middle green. */

import { transform } from "../pose/affine.js";

/** @import { Box, Matrix } from "../pose/affine.js" */
/** @import { Description } from "../pose/description.js" */

const LEFT = "rgb(255, 140, 26)";
const RIGHT = "rgb(38, 170, 255)";
const CENTRE = "rgb(130, 230, 90)";
const RIM = "rgb(20, 20, 20)";

/** Colours and lines of one skeleton. */
export class Overlay {
  #sides;

  /** @param {Description} description */
  constructor(description) {
    this.description = description;
    this.#sides = sidesOf(description);
  }

  /** The colour of a keypoint. @param {number} k */
  color(k) {
    return limbColor(this.#sides[k], this.#sides[k]);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Matrix} view from the picture to the canvas
   * @param {Float64Array} points x, y of each keypoint in the picture
   * @param {Float64Array} scores those below the score floor are left out
   */
  draw(context, view, points, scores) {
    const { decode, edges } = this.description;
    const seen = (/** @type {number} */ k) => scores[k] >= decode.scoreFloor;
    const places = Array.from(scores, (_, k) => transform(view, points[2 * k], points[2 * k + 1]));
    const shown = places.filter((_, k) => seen(k));
    if (!shown.length) return;
    const width = lineWidth(shown, Math.max(context.canvas.width, context.canvas.height));
    const drawn = edges.filter(([a, b]) => seen(a) && seen(b));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.setLineDash([]);
    context.lineCap = "round";
    for (const rim of [width, 0]) {
      for (const [a, b] of drawn) {
        context.strokeStyle = rim ? RIM : limbColor(this.#sides[a], this.#sides[b]);
        context.lineWidth = width + rim;
        context.beginPath();
        context.moveTo(...places[a]);
        context.lineTo(...places[b]);
        context.stroke();
      }
    }
    places.forEach((place, k) => {
      if (!seen(k)) return;
      dot(context, place, 1.25 * width, RIM);
      dot(context, place, 0.85 * width, this.color(k));
    });
  }
}

/**
 * A dashed frame about a part of the picture.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Matrix} view
 * @param {Box} box
 */
export function drawBox(context, view, [left, top, width, height]) {
  // a box is measured from edge to edge, half a pixel before the first centre
  const [x, y] = transform(view, left - 0.5, top - 0.5);
  const [endX, endY] = transform(view, left + width - 0.5, top + height - 0.5);
  context.setTransform(1, 0, 0, 1, 0, 0);
  const unit = Math.max(1, context.canvas.width / 640);
  for (const [color, thickness] of /** @type {const} */ ([
    [RIM, 3 * unit],
    ["white", 1.5 * unit],
  ])) {
    context.strokeStyle = color;
    context.lineWidth = thickness;
    context.setLineDash([8 * unit, 6 * unit]);
    context.strokeRect(x, y, endX - x, endY - y);
  }
}

/**
 * For each keypoint 1 (left), -1 (right) or 0.
 *
 * @param {Description} description
 */
function sidesOf({ keypoints, flipPairs }) {
  const sides = keypoints.map(() => 0);
  for (const [a, b] of flipPairs) {
    const left = keypoints[a].startsWith("left") ? a : b;
    sides[left] = 1;
    sides[a + b - left] = -1;
  }
  return sides;
}

/**
 * A limb has its side's colour where neither end lies on the other side.
 *
 * @param {number} first
 * @param {number} second
 */
function limbColor(first, second) {
  if (first * second < 0 || (!first && !second)) return CENTRE;
  return first + second > 0 ? LEFT : RIGHT;
}

/**
 * By the person's extent, within bounds set by the canvas.
 *
 * @param {Array<readonly [number, number]>} places
 * @param {number} side
 */
function lineWidth(places, side) {
  const spans = [0, 1].map((axis) => {
    const values = places.map((place) => place[axis]);
    return Math.max(...values) - Math.min(...values);
  });
  const width = Math.max(...spans) / 70;
  return Math.min(Math.max(width, 1, side / 500), Math.max(1.5, side / 120));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {readonly [number, number]} place
 * @param {number} radius
 * @param {string} color
 */
function dot(context, [x, y], radius, color) {
  context.fillStyle = color;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}
