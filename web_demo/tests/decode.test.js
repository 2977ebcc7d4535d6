import assert from "node:assert/strict";
import { test } from "node:test";
import { HeatmapDecoder } from "../page/pose/decode.js";
import { flat, floats, furthest, golden } from "./golden.js";

const LIMIT_PX = 1e-6;

/** @param {any} vector */
function decoder(vector) {
  const [height, width, count] = vector.heatmaps.shape;
  const { method, sigma_cells: sigmaCells, grid, score_floor: scoreFloor } = vector.decode;
  const rule = { method, sigmaCells, grid, scoreFloor };
  return new HeatmapDecoder(rule, [width, height], count, vector.input_wh);
}

for (const vector of golden("decode").cases) {
  test(`keypoints are Python's: ${vector.name}`, () => {
    const reader = decoder(vector);
    const pose = reader.decode(floats(vector.heatmaps), flat(vector.matrix));
    const { expected } = vector;
    assert.ok(furthest(reader.cells, expected.cells.flat()) < LIMIT_PX);
    assert.ok(furthest(pose.points, expected.keypoints_px.flat()) < LIMIT_PX);
    assert.deepEqual([...pose.scores], expected.scores);
    assert.ok(Math.abs(pose.score - expected.pose_score) < 1e-9);
  });
}

for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
  test(`heatmaps with ${value} are refused`, () => {
    const [vector] = golden("decode").cases;
    const maps = floats(vector.heatmaps);
    maps[1000] = value;
    assert.throws(() => decoder(vector).decode(maps, flat(vector.matrix)), /NaN or infinity/);
  });
}

test("a decoder's buffers carry nothing over", () => {
  const [first, second] = golden("decode").cases;
  const reader = decoder(first);
  reader.decode(floats(first.heatmaps), flat(first.matrix));
  const again = reader.decode(floats(second.heatmaps), flat(second.matrix));
  assert.ok(furthest(again.points, second.expected.keypoints_px.flat()) < LIMIT_PX);
});
