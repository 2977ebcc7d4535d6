import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveSession } from "../page/pose/session.js";
import { SETTINGS } from "../page/pose/smoothing.js";
import { PersonTracker, search } from "../page/pose/tracking.js";
import { furthest, golden } from "./golden.js";

const LIMIT_PX = 1e-6;
const { constants, sequences } = golden("track");

/** @param {any} frame */
function poseOf(frame) {
  return {
    points: Float64Array.from(frame.keypoints_px.flat()),
    scores: Float64Array.from(frame.scores),
    score: 0,
  };
}

for (const sequence of sequences) {
  test(`boxes and shown keypoints are Python's: ${sequence.name}`, () => {
    const size = sequence.image_wh;
    const session = new LiveSession(sequence.frames[0].scores.length, sequence.score_floor);
    for (const frame of sequence.frames) {
      if (frame.chosen_xywh_px) session.choose(frame.chosen_xywh_px);
      const box = session.look(size);
      assert.ok(furthest(box, frame.box_xywh_px) < LIMIT_PX);
      const shown = session.read(poseOf(frame), box, size, frame.time_s);
      assert.ok(furthest(shown, frame.smoothed_px.flat()) < LIMIT_PX);
      const next = frame.next_xywh_px ?? [0, 0, ...size];
      assert.ok(furthest(session.look(size), next) < LIMIT_PX);
    }
  });
}

test("the smoother's settings are Python's", () => {
  assert.deepEqual(SETTINGS, {
    minCutoffHz: constants.min_cutoff_hz,
    beta: constants.beta,
    speedCutoffHz: constants.speed_cutoff_hz,
  });
});

test("who is let go is looked for in the whole picture", () => {
  const tracker = new PersonTracker();
  tracker.choose([1, 2, 3, 4]);
  assert.deepEqual(tracker.look([320, 240]), [1, 2, 3, 4]);
  tracker.choose(null);
  assert.deepEqual(tracker.look([320, 240]), [0, 0, 320, 240]);
});

/** Five keypoints on the diagonal of a box. @param {readonly number[]} box */
function poseIn([left, top, width, height], score = 0.9) {
  const points = Float64Array.from({ length: 10 }, (_, i) =>
    i % 2 ? top + (height * (i - 1)) / 8 : left + (width * i) / 8,
  );
  return { points, scores: new Float64Array(5).fill(score), score };
}

test("a search ends where the box settles", async () => {
  /** @type {import("../page/pose/affine.js").Box[]} */
  const looked = [];
  const { box } = await search(
    async (at) => {
      looked.push(at);
      return poseIn([100, 50, 40, 80]);
    },
    [320, 240],
  );
  assert.equal(looked.length, 2);
  assert.deepEqual(box, looked[1]);
});

test("a search that loses the person ends with the whole picture", async () => {
  let rounds = 0;
  const { box, pose } = await search(
    async () => poseIn([100, 50, 40, 80], rounds++ === 1 ? 0.1 : 0.9),
    [320, 240],
  );
  assert.equal(rounds, 3);
  assert.deepEqual(box, [0, 0, 320, 240]);
  assert.equal(pose.score, 0.9);
});
