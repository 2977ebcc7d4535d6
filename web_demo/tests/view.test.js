import assert from "node:assert/strict";
import { test } from "node:test";
import { invert, transform } from "../page/pose/affine.js";
import { viewMatrix } from "../page/pose/view.js";
import { flat, furthest, golden } from "./golden.js";

for (const vector of golden("view").cases) {
  test(`points lie where Python puts them: ${vector.name}`, () => {
    const { upright_wh: picture, view_wh: view, mirror, fill } = vector;
    const matrix = viewMatrix(picture, view, mirror, fill);
    assert.ok(furthest(matrix, flat(vector.upright_to_view)) < 1e-9);
    assert.ok(furthest(invert(matrix), flat(vector.view_to_upright)) < 1e-9);
    vector.points_upright_px.forEach(
      (/** @type {[number, number]} */ point, /** @type {number} */ i) => {
        assert.ok(furthest(transform(matrix, ...point), vector.points_view_px[i]) < 1e-9);
      },
    );
  });
}
