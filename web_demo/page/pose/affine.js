/**
 * Box -> crop -> box, in UDP's convention: lengths are counted between pixel centres
 * (Huang et al., CVPR 2020, arXiv 1911.07524).
 *
 * @typedef {readonly [number, number]} Size width and height
 * @typedef {readonly [number, number, number, number]} Box left, top, width and height in pixels
 * @typedef {readonly [number, number, number, number, number, number]} Matrix
 *   2 x 3, row by row: x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5]
 */

/**
 * The matrix from a picture to the crop of a person.
 *
 * @param {Box} box about the person, in the picture
 * @param {Size} size of the crop in pixels
 * @param {number} padding growth of the box about its centre
 * @returns {Matrix}
 */
export function cropMatrix([left, top, boxWidth, boxHeight], [width, height], padding) {
  const aspect = width / height;
  const regionWidth = Math.max(boxWidth, boxHeight * aspect) * padding;
  const regionHeight = Math.max(boxHeight, boxWidth / aspect) * padding;
  const across = (width - 1) / regionWidth;
  const down = (height - 1) / regionHeight;
  return [
    across,
    0,
    (width - 1) / 2 - across * (left + boxWidth / 2),
    0,
    down,
    (height - 1) / 2 - down * (top + boxHeight / 2),
  ];
}

/**
 * The matrix of the opposite direction. The order of the operations is OpenCV's, so that crops are
 * equal to the last bit.
 *
 * @param {Matrix} matrix
 * @returns {Matrix}
 */
export function invert([m0, m1, m2, m3, m4, m5]) {
  const scale = 1 / (m0 * m4 - m1 * m3);
  const a = m4 * scale;
  const b = -m1 * scale;
  const c = -m3 * scale;
  const d = m0 * scale;
  return [a, b, -a * m2 - b * m5, c, d, -c * m2 - d * m5];
}

/**
 * @param {Matrix} matrix
 * @param {number} x
 * @param {number} y
 * @returns {[number, number]}
 */
export function transform(matrix, x, y) {
  return [matrix[0] * x + matrix[1] * y + matrix[2], matrix[3] * x + matrix[4] * y + matrix[5]];
}
