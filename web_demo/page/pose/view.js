/**
 * From the picture to what is seen on the screen. Pixel centres of pictures are whole numbers; a
 * view measures from edge to edge, so that the centre of pixel i lies at (i + 0.5) times the scale.
 */

/** @import { Matrix, Size } from "./affine.js" */

/**
 * The matrix from the picture to the view, in which it is centred.
 *
 * @param {Size} picture
 * @param {Size} view
 * @param {boolean} mirror exchange left and right, as a front camera's preview does
 * @param {boolean} fill cover the view and cut off what reaches beyond; else show the whole picture
 * @returns {Matrix}
 */
export function viewMatrix(picture, view, mirror, fill) {
  const scales = [view[0] / picture[0], view[1] / picture[1]];
  const scale = fill ? Math.max(...scales) : Math.min(...scales);
  const left = scale * 0.5 + (view[0] - scale * picture[0]) / 2;
  const top = scale * 0.5 + (view[1] - scale * picture[1]) / 2;
  return mirror ? [-scale, 0, view[0] - left, 0, scale, top] : [scale, 0, left, 0, scale, top];
}
