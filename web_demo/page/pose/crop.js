/**
 * Cutting a crop out of a picture, bilinearly, black outside: the same bytes as OpenCV's
 * `warpAffine`, which counts in 1024ths of a pixel, rounds them to 32nds and weighs four pixels
 * with integers.
 */

import { invert } from "./affine.js";

/** @import { Matrix, Size } from "./affine.js" */

/**
 * @typedef {object} Picture
 * @property {Uint8ClampedArray | Uint8Array} data red, green, blue, alpha, 0..255
 * @property {number} width
 * @property {number} height
 */

/** Added and taken away again, it rounds a double to the nearest integer, halves to even. */
const ROUNDS = 1.5 * 2 ** 52;

/** @param {number} value within +-2^51 */
export const rint = (value) => value + ROUNDS - ROUNDS;

/** Cuts crops of one size; its buffers serve all of them. */
export class Cropper {
  /** @param {Size} size of the crops in pixels */
  constructor([width, height]) {
    this.width = width;
    this.height = height;
    this.columnsX = new Int32Array(width);
    this.columnsY = new Int32Array(width);
  }

  /**
   * @param {Picture} picture
   * @param {Matrix} matrix from the picture to the crop
   * @param {Float32Array} into gets height x width x 3 red, green, blue, 0..255
   */
  crop(picture, matrix, into) {
    const [a, b, offsetX, c, d, offsetY] = invert(matrix);
    const { columnsX, columnsY } = this;
    for (let x = 0; x < this.width; x++) {
      columnsX[x] = rint(a * x * 1024);
      columnsY[x] = rint(c * x * 1024);
    }
    let at = 0;
    for (let y = 0; y < this.height; y++) {
      const rowX = rint((b * y + offsetX) * 1024) + 16;
      const rowY = rint((d * y + offsetY) * 1024) + 16;
      for (let x = 0; x < this.width; x++, at += 3) {
        blend(picture, (columnsX[x] + rowX) >> 5, (columnsY[x] + rowY) >> 5, into, at);
      }
    }
  }
}

/**
 * The value between four pixels.
 *
 * @param {Picture} picture
 * @param {number} x32 in 32nds of a pixel
 * @param {number} y32
 * @param {Float32Array} into
 * @param {number} at where the three channels go
 */
function blend({ data, width, height }, x32, y32, into, at) {
  const x = x32 >> 5;
  const y = y32 >> 5;
  if (x < -1 || y < -1 || x >= width || y >= height) {
    into[at] = into[at + 1] = into[at + 2] = 0;
    return;
  }
  const shareX = x32 & 31;
  const shareY = y32 & 31;
  const left = x >= 0 ? 32 - shareX : 0;
  const right = x + 1 < width ? shareX : 0;
  const top = y >= 0 ? 32 - shareY : 0;
  const bottom = y + 1 < height ? shareY : 0;
  // where a pixel lies outside, its weight is 0 and another is read in its place
  const first = 4 * (Math.max(y, 0) * width + Math.max(x, 0));
  const below = y >= 0 && y + 1 < height ? first + 4 * width : first;
  const step = x >= 0 && x + 1 < width ? 4 : 0;
  for (let channel = 0; channel < 3; channel++) {
    const upper = left * data[first + channel] + right * data[first + step + channel];
    const lower = left * data[below + channel] + right * data[below + step + channel];
    into[at + channel] = (top * upper + bottom * lower + 512) >> 10;
  }
}
