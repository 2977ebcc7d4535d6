/**
 * The description that `mvpose-export` puts into every file: preprocessing, skeleton, decode rule.
 * The page has no constants of its own for them.
 */

/** @import { Size } from "./affine.js" */
/** @import { DecodeRule } from "./decode.js" */

const SCHEMA = 1;
const METHODS = ["dark", "quarter", "argmax", "coordinates"];
/** What files say that were written before these fields were. */
const OLDER_DECODE = { grid: "corners", score_floor: 0.2 };
const AGAIN = "export the model again: mvpose-export --target tflite --int8";

/**
 * Why a file can't be run: the same words in Python, Kotlin and JavaScript.
 *
 * @typedef {"not_a_description" | "newer_schema" | "format" | "layout" | "batch" | "element_type"
 *   | "decode" | "shapes"} Reason
 */

/** A file that the page can't run; the message is one line for the user. */
export class UnusableModel extends Error {
  /**
   * @param {Reason} reason
   * @param {string} what is the matter
   * @param {string} hint what to do next
   */
  constructor(reason, what, hint = AGAIN) {
    super(`the file ${what} - ${hint}`);
    this.reason = reason;
  }
}

/**
 * @typedef {object} Description
 * @property {string} name of the model
 * @property {string} recipe of its quantisation
 * @property {Size} inputSize of the crop in pixels
 * @property {number} padding growth of a person's box before cropping
 * @property {Size} heatmapSize in cells
 * @property {DecodeRule} decode
 * @property {readonly string[]} keypoints names, in the order of the heatmaps
 * @property {ReadonlyArray<readonly [number, number]>} flipPairs keypoints that change places in a
 *   mirrored picture
 * @property {ReadonlyArray<readonly [number, number]>} edges keypoints joined by a line
 */

/**
 * Read a description, as it lies in a file and beside it.
 *
 * @param {string} text JSON
 * @param {readonly string[]} elements types that input and output may have; LiteRT.js runs no other
 * @returns {Description}
 * @throws {UnusableModel}
 */
export function parseDescription(text, elements = ["float32"]) {
  const found = readJson(text);
  if (!Number.isInteger(found?.schema_version)) {
    throw new UnusableModel("not_a_description", "carries no description of mvpose-export");
  }
  if (found.schema_version > SCHEMA) {
    throw new UnusableModel(
      "newer_schema",
      `has a description of schema version ${found.schema_version}, this page reads ${SCHEMA}`,
      "update mvpose, or export the model again with this one",
    );
  }
  let description;
  try {
    if (found.schema_version < SCHEMA) throw new Error(`schema version ${found.schema_version}`);
    description = describe(found);
  } catch (error) {
    const what = `has a damaged description (${/** @type {Error} */ (error).message})`;
    throw new UnusableModel("not_a_description", what);
  }
  refuseUnusable(found, description, elements);
  return description;
}

/** @param {string} text */
function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * @param {any} found
 * @returns {Description}
 */
function describe(found) {
  const { model } = found;
  const { preprocess } = model;
  const decode = { ...OLDER_DECODE, ...model.decode };
  const keypoints = check(model.skeleton.keypoints, isListOf("string"), "keypoints");
  const isPairs = (/** @type {any} */ pairs) =>
    Array.isArray(pairs) &&
    pairs.every(
      (pair) => pair.length === 2 && pair.every((/** @type {any} */ k) => k in keypoints),
    );
  check(found.input.shape, isListOf("number"), "input.shape");
  const shape = check(found.output.shape, isListOf("number"), "output.shape");
  const isPositive = (/** @type {any} */ value) => value > 0;
  return {
    name: check(model.name, isA("string"), "model.name"),
    recipe: check(found.recipe, isA("string"), "recipe"),
    inputSize: [
      check(preprocess.input_width_px, isPositive, "input_width_px"),
      check(preprocess.input_height_px, isPositive, "input_height_px"),
    ],
    padding: check(preprocess.box_padding, isPositive, "box_padding"),
    heatmapSize: [shape[2], shape[1]],
    decode: {
      method: check(decode.method, (method) => METHODS.includes(method), "decode.method"),
      sigmaCells: check(decode.sigma_cells, isPositive, "decode.sigma_cells"),
      grid: check(decode.grid, (grid) => ["corners", "stride"].includes(grid), "decode.grid"),
      scoreFloor: check(decode.score_floor, isA("number"), "decode.score_floor"),
    },
    keypoints,
    flipPairs: check(model.skeleton.flip_pairs, isPairs, "flip_pairs"),
    edges: check(model.skeleton.edges, isPairs, "edges"),
  };
}

/**
 * @param {any} value
 * @param {(value: any) => boolean} holds
 * @param {string} name of the field
 */
function check(value, holds, name) {
  if (!holds(value)) throw new TypeError(`${name}: ${JSON.stringify(value)}`);
  return value;
}

/** @param {string} kind */
function isA(kind) {
  return (/** @type {any} */ value) => typeof value === kind;
}

/** @param {string} kind */
function isListOf(kind) {
  return (/** @type {any} */ value) => Array.isArray(value) && value.every(isA(kind));
}

/**
 * @param {any} found
 * @param {Description} description
 * @param {readonly string[]} elements
 */
function refuseUnusable({ format, layout, input, output }, description, elements) {
  const [width, height] = description.inputSize;
  const count = description.keypoints.length;
  const given = input.shape.join(" x ");
  const made = output.shape.join(" x ");
  if (format !== "tflite") throw new UnusableModel("format", `is of the format ${format}`);
  if (layout !== "NHWC") throw new UnusableModel("layout", `has the layout ${layout}, not NHWC`);
  if (description.decode.method === /** @type {string} */ ("coordinates")) {
    throw new UnusableModel("decode", "gives coordinates, not heatmaps");
  }
  if (input.shape[0] !== 1 || output.shape[0] !== 1) {
    const hint = "leave out --dynamic-batch";
    throw new UnusableModel("batch", "takes no batch of exactly one crop", hint);
  }
  if (!elements.includes(input.dtype) || !elements.includes(output.dtype)) {
    const what = `has input and output of ${input.dtype} and ${output.dtype}`;
    throw new UnusableModel("element_type", what, `export it with --io ${elements[0]}`);
  }
  const isMap = output.shape.length === 4 && Math.min(...description.heatmapSize) > 1;
  if (given !== `1 x ${height} x ${width} x 3` || !isMap) {
    throw new UnusableModel("shapes", `has input ${given} and output ${made}, of another model`);
  }
  if (output.shape[3] !== count) {
    const what = `has ${output.shape[3]} heatmaps for ${count} keypoints`;
    throw new UnusableModel("shapes", what);
  }
}
