/** Pixels of whatever the browser can draw. */

/** @import { Size } from "../pose/affine.js" */

/** The picture that is looked at; drawing and reading share one canvas. */
export class Frame {
  canvas = document.createElement("canvas");
  #context;

  constructor() {
    const context = this.canvas.getContext("2d", { willReadFrequently: true, alpha: false });
    if (!context) throw new Error("this browser draws no canvas");
    this.#context = context;
  }

  /** @returns {Size} */
  get size() {
    return [this.canvas.width, this.canvas.height];
  }

  /**
   * Take over a picture, transparency laid on white.
   *
   * @param {CanvasImageSource} source
   * @param {Size} size
   * @returns {ImageData} its pixels
   */
  take(source, [width, height]) {
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.#context.fillStyle = "white";
    this.#context.fillRect(0, 0, width, height);
    this.#context.drawImage(source, 0, 0, width, height);
    return this.#context.getImageData(0, 0, width, height);
  }
}
