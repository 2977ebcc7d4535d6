/** Frames per second and milliseconds of each stage. */

import { element } from "./dom.js";

/** @import { Estimator } from "../runtime/estimator.js" */
/** @import { Latency } from "../runtime/latency.js" */

const [fps, preprocess, inference, postprocess] = ["fps", "pre", "inference", "post"].map((id) =>
  element(id, HTMLElement),
);

/**
 * @param {Estimator} estimator
 * @param {Latency | null} interval between frames; null for a still picture
 */
export function showFigures(estimator, interval) {
  fps.textContent = interval ? number(1000 / interval.median) : "–";
  preprocess.textContent = number(estimator.preprocess.median);
  inference.textContent = number(estimator.inference.median);
  postprocess.textContent = number(estimator.postprocess.median);
}

export function clearFigures() {
  for (const figure of [fps, preprocess, inference, postprocess]) figure.textContent = "–";
}

/** @param {number} value */
function number(value) {
  return Number.isFinite(value) ? value.toFixed(value < 100 ? 1 : 0) : "–";
}
