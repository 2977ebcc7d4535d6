/** The stage: the picture that was looked at with the pose over it, and the box that a user draws. */

import { invert, transform } from "../pose/affine.js";
import { viewMatrix } from "../pose/view.js";
import { drawBox } from "./overlay.js";

/** @import { Box, Matrix, Size } from "../pose/affine.js" */
/** @import { Frame } from "../sources/frame.js" */
/** @import { Overlay } from "./overlay.js" */

/** Boxes with shorter sides, in pixels of the screen, are slips of the finger. */
const SHORTEST_DRAG_PX = 16;

/**
 * What is to be seen.
 *
 * @typedef {object} Scene
 * @property {Frame} frame
 * @property {Overlay} overlay
 * @property {Box} box that was looked in
 * @property {Float64Array} points to show
 * @property {Float64Array} scores
 */

export class Stage {
  mirror = false;
  /** @type {Scene | null} */
  #scene = null;
  /** @type {Box | null} */
  #dragged = null;
  #context;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(box: Box) => void} chosen called with the box that the user has drawn
   */
  constructor(canvas, chosen) {
    this.canvas = canvas;
    this.chosen = chosen;
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("this browser draws no canvas");
    this.#context = context;
    canvas.addEventListener("pointerdown", (event) => this.#drag(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** @param {Scene | null} scene null: what is seen stays until the next one comes */
  show(scene) {
    this.#scene = scene;
    this.draw();
  }

  /** @returns {Matrix} from the picture to the canvas */
  #view() {
    const size = this.#scene?.frame.size ?? /** @type {Size} */ ([1, 1]);
    const fill = document.fullscreenElement !== null;
    return viewMatrix(size, [this.canvas.width, this.canvas.height], this.mirror, fill);
  }

  /** Draw again: the mirror, the size or the dragged box has changed. */
  draw() {
    const { canvas } = this;
    if (!this.#scene || !canvas.clientWidth) return;
    const { frame, overlay, box, points, scores } = this.#scene;
    canvas.style.aspectRatio = `${frame.size[0]} / ${frame.size[1]}`;
    const width = Math.round(canvas.clientWidth * devicePixelRatio);
    const height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const view = this.#view();
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "black";
    context.fillRect(0, 0, width, height);
    context.setTransform(view[0], view[3], view[1], view[4], view[2], view[5]);
    context.drawImage(frame.canvas, -0.5, -0.5);
    const [, , boxWidth, boxHeight] = box;
    const whole = boxWidth === frame.size[0] && boxHeight === frame.size[1];
    if (this.#dragged ?? !whole) drawBox(context, view, this.#dragged ?? box);
    if (!this.#dragged) overlay.draw(context, view, points, scores);
  }

  /** @param {PointerEvent} start */
  #drag(start) {
    if (!this.#scene || start.button !== 0 || !start.isPrimary) return;
    const { canvas } = this;
    canvas.setPointerCapture(start.pointerId);
    const first = this.#place(start);
    const move = (/** @type {PointerEvent} */ event) => {
      if (event.pointerId !== start.pointerId) return;
      this.#dragged = this.#between(first, this.#place(event));
      this.draw();
    };
    const end = (/** @type {PointerEvent} */ event) => {
      if (event.pointerId !== start.pointerId) return;
      canvas.removeEventListener("pointermove", move);
      canvas.removeEventListener("pointerup", end);
      canvas.removeEventListener("pointercancel", end);
      const box = this.#dragged;
      this.#dragged = null;
      const across = Math.abs(event.clientX - start.clientX);
      const down = Math.abs(event.clientY - start.clientY);
      const meant = event.type === "pointerup" && Math.min(across, down) >= SHORTEST_DRAG_PX;
      if (box && meant && box[2] > 0 && box[3] > 0) this.chosen(box);
      else this.draw();
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
  }

  /**
   * Where a pointer is in the picture.
   *
   * @param {PointerEvent} event
   */
  #place(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - left) * this.canvas.width) / width;
    const y = ((event.clientY - top) * this.canvas.height) / height;
    return transform(invert(this.#view()), x, y);
  }

  /**
   * The box between two corners, within the picture.
   *
   * @param {readonly number[]} first
   * @param {readonly number[]} second
   * @returns {Box}
   */
  #between(first, second) {
    const size = this.#scene?.frame.size ?? [0, 0];
    const [low, high] = [Math.min, Math.max].map((end) =>
      [0, 1].map((axis) => Math.min(Math.max(end(first[axis], second[axis]) + 0.5, 0), size[axis])),
    );
    return [low[0], low[1], high[0] - low[0], high[1] - low[1]];
  }
}
