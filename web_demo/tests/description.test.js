import assert from "node:assert/strict";
import { test } from "node:test";
import { embeddedDescription } from "../page/pose/archive.js";
import { parseDescription } from "../page/pose/description.js";
import { golden } from "./golden.js";

const PHONE = ["float32", "int8"];
const { cases } = golden("metadata");
const document = cases.find((/** @type {any} */ c) => c.name === "as exported").document;

for (const vector of cases) {
  test(`as Python judges it: ${vector.name}`, () => {
    if (vector.usable) {
      const description = parseDescription(vector.document, PHONE);
      const { model, output } = JSON.parse(vector.document);
      assert.equal(description.name, model.name);
      assert.equal(description.keypoints.length, output.shape[3]);
      assert.deepEqual(description.inputSize, [
        model.preprocess.input_width_px,
        model.preprocess.input_height_px,
      ]);
      return;
    }
    assert.throws(() => parseDescription(vector.document, PHONE), {
      reason: vector.reason,
      message: /^the file .+ - .+$/,
    });
  });
}

test("LiteRT.js runs no INT8 input and output", () => {
  const int8 = cases.find((/** @type {any} */ c) => c.name === "INT8 input and output");
  assert.throws(() => parseDescription(int8.document), { reason: "element_type" });
});

/**
 * A zip archive with one stored entry, behind other bytes (PKWARE's APPNOTE).
 *
 * @param {string} name
 * @param {string} content
 * @param {number} before bytes in front of the archive
 * @param {boolean} counted whether the archive's offsets count them
 */
function archived(name, content, before, counted) {
  const [path, body] = [Buffer.from(name), Buffer.from(content)];
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(path.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt32LE(body.length, 20);
  entry.writeUInt32LE(body.length, 24);
  entry.writeUInt16LE(path.length, 28);
  entry.writeUInt32LE(counted ? before : 0, 42);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(46 + path.length, 12);
  end.writeUInt32LE(30 + path.length + body.length + (counted ? before : 0), 16);
  const front = Buffer.alloc(before, 7);
  return new Uint8Array(Buffer.concat([front, local, path, body, entry, path, end]));
}

for (const [name, before, counted] of /** @type {[string, number, boolean][]} */ ([
  ["alone", 0, true],
  ["offsets from the file's beginning", 1234, true],
  ["offsets from the archive's beginning", 1234, false],
])) {
  test(`the description inside a file: ${name}`, () => {
    const file = archived("mvpose.json", document, before, counted);
    assert.equal(embeddedDescription(file), document);
    for (const cut of [1, 10, 30, file.length - before - 5]) {
      assert.equal(embeddedDescription(file.subarray(0, file.length - cut)), "");
    }
  });
}

for (const [name, file] of /** @type {[string, Uint8Array][]} */ ([
  ["nothing", new Uint8Array(0)],
  ["short", new Uint8Array(21)],
  ["no archive", new Uint8Array(1000).fill(80)],
  ["another entry", archived("other.json", document, 10, true)],
  ["a directory beyond the file", archived("mvpose.json", document, 10, true).fill(255, -10, -2)],
])) {
  test(`no description: ${name}`, () => {
    assert.equal(embeddedDescription(file), "");
  });
}
