/** The golden vectors that Python wrote: numbers in JSON, arrays beside it. */

import { readFileSync } from "node:fs";

const FOLDER = new URL("../../tests/golden/", import.meta.url);

/** @param {string} name */
export function golden(name) {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8"));
}

/** @param {{file: string}} array */
export function bytes({ file }) {
  return new Uint8Array(readFileSync(new URL(file, FOLDER)));
}

/** @param {{file: string}} array */
export function floats({ file }) {
  return new Float32Array(bytes({ file }).buffer);
}

/**
 * A 2 x 3 matrix in one row.
 *
 * @param {number[][]} rows
 * @returns {import("../page/pose/affine.js").Matrix}
 */
export function flat(rows) {
  return /** @type {any} */ (rows.flat());
}

/**
 * The largest difference between two lists of the same length.
 *
 * @param {ArrayLike<number>} found
 * @param {ArrayLike<number>} expected
 */
export function furthest(found, expected) {
  if (found.length !== expected.length) return Number.NaN;
  return Math.max(...Array.from(found, (value, i) => Math.abs(value - expected[i])));
}
