import assert from "node:assert/strict";
import { test } from "node:test";
import { cropMatrix } from "../page/pose/affine.js";
import { Cropper } from "../page/pose/crop.js";
import { bytes, flat, furthest, golden } from "./golden.js";

for (const vector of golden("crop").cases) {
  test(`the crop is Python's to the last bit: ${vector.name}`, () => {
    const [height, width] = vector.picture.shape;
    const rgb = bytes(vector.picture);
    const data = new Uint8Array(4 * width * height);
    for (let i = 0; i < width * height; i++) data.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
    const into = new Float32Array(3 * vector.input_wh[0] * vector.input_wh[1]).fill(-1);
    new Cropper(vector.input_wh).crop({ data, width, height }, flat(vector.buffer_matrix), into);
    assert.deepEqual(Float32Array.from(bytes(vector.crop)), into);
  });

  test(`the matrix is Python's: ${vector.name}`, () => {
    const matrix = cropMatrix(vector.box_xywh_px, vector.input_wh, vector.padding);
    const expected = flat(vector.matrix);
    assert.ok(furthest(matrix, expected) <= 1e-12 * Math.max(...expected.map(Math.abs)));
  });
}
