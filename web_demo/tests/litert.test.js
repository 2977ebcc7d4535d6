import assert from "node:assert/strict";
import { test } from "node:test";
import { oneLine } from "../page/runtime/litert.js";

for (const [name, error, line] of /** @type {[string, unknown, string][]} */ ([
  ["as it is", new Error("out of memory"), "out of memory"],
  [
    "places in sources are left out",
    new Error("ERROR: [a/b.cc:245]\n\u2514 Unable to parse coord\n\u2514 ERROR: [./c.h:70]"),
    "Unable to parse coord",
  ],
  ["places alone", new Error("ERROR: [a/b.cc:245]\n\u2514 ERROR: [./c.h:70]"), "no reason given"],
  ["nothing", new Error(""), "no reason given"],
  ["no error", "a number", "a number"],
])) {
  test(`what LiteRT.js says in one line: ${name}`, () => {
    assert.equal(oneLine(error), line);
  });
}
