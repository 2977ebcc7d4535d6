/** Loading LiteRT.js and running a model with it. */

import { UnusableModel } from "../pose/description.js";
import { missingGpu } from "./browser.js";

/** @import { CompiledModel } from "@litertjs/core" */
/** @import { Description } from "../pose/description.js" */

/**
 * @typedef {"auto" | "webgpu" | "wasm"} Choice
 * @typedef {typeof import("@litertjs/core")} LiteRt
 *
 * @typedef {object} Accelerator what really runs a model
 * @property {"webgpu" | "wasm"} kind
 * @property {number} threads of the CPU; 0 where the GPU does all
 * @property {string} label for people
 * @property {string} why not the GPU; empty where that was not asked for
 */

/** @type {Promise<LiteRt> | null} */
let loading = null;
let attempt = 0;

/** The library with its WebAssembly module, loaded once. */
export function library() {
  loading ??= load().catch((error) => {
    forget();
    throw told("LiteRT.js does not load", "start mvpose-demo again and reload the page", error);
  });
  return loading;
}

/** The next model gets a new module, which the query of its address makes a new one. */
function forget() {
  loading = null;
  attempt++;
}

/** @returns {Promise<LiteRt>} */
async function load() {
  /** @type {LiteRt} */
  const litert = await import(`/litertjs/core/dist/index.js?${attempt}`);
  // what the module writes on standard output and error is no error of the page
  self.Module = /** @type {any} */ ({ print: console.debug, printErr: console.debug });
  await litert.loadLiteRt("/litertjs/core/wasm/", { threads: await hasThreads(litert) });
  return litert;
}

/**
 * Whether LiteRT.js can use several threads: the server's headers allow it, but its threaded build
 * also needs relaxed SIMD, which not every browser has.
 *
 * @param {LiteRt} litert
 */
async function hasThreads(litert) {
  if (!self.crossOriginIsolated) return false;
  return (await litert.supportsFeature("relaxedSimd")) && litert.supportsFeature("threads");
}

/** A model, ready to run. */
export class Engine {
  /**
   * @param {LiteRt} litert
   * @param {CompiledModel} model
   * @param {Accelerator} accelerator
   */
  constructor(litert, model, accelerator) {
    this.litert = litert;
    this.model = model;
    this.accelerator = accelerator;
    this.shape = model.getInputDetails()[0].shape;
  }

  /**
   * @param {Float32Array} input 1 x height x width x 3
   * @returns {Promise<Float32Array>} heatmaps 1 x height x width x keypoints
   */
  async run(input) {
    const given = new this.litert.Tensor(input, this.shape);
    try {
      const [made] = await this.model.run(given);
      try {
        return /** @type {Float32Array} */ (await made.data());
      } finally {
        made.delete();
      }
    } finally {
      given.delete();
    }
  }

  close() {
    this.model.delete();
  }
}

/**
 * Compile a model for an accelerator and run it there once.
 *
 * @param {Uint8Array} file
 * @param {Description} description
 * @param {Choice} choice "auto": float models on the GPU where it runs all of them, INT8 on the CPU
 * @returns {Promise<Engine>}
 * @throws {UnusableModel} the file is not what its description says
 */
export async function openEngine(file, description, choice) {
  if (choice === "wasm") return compile(file, description, "wasm", "");
  if (choice === "auto" && description.recipe.startsWith("static_")) {
    return compile(file, description, "wasm", "INT8 runs on the CPU unless WebGPU is chosen");
  }
  const missing = await missingGpu();
  if (missing) return compile(file, description, "wasm", `no WebGPU: ${missing}`);
  try {
    return await compile(file, description, "webgpu", "");
  } catch (error) {
    if (error instanceof UnusableModel) throw error;
    return compile(file, description, "wasm", `WebGPU does not run this model: ${oneLine(error)}`);
  }
}

/**
 * @param {Uint8Array} file
 * @param {Description} description
 * @param {"webgpu" | "wasm"} kind
 * @param {string} why not the GPU
 */
async function compile(file, description, kind, why) {
  const litert = await library();
  const model = await compileAlone(litert, file, kind).catch((error) => refused(kind, error));
  const threads = kind === "webgpu" ? 0 : (model.options.cpuOptions.numThreads ?? 1);
  const label = kind === "webgpu" ? "WebGPU" : `CPU, ${threads} thread${threads === 1 ? "" : "s"}`;
  const engine = new Engine(litert, model, { kind, threads, label, why });
  try {
    refuseOtherShapes(model, description);
    const { inputSize } = description;
    const maps = await engine.run(new Float32Array(inputSize[0] * inputSize[1] * 3));
    const finite = maps.every(Number.isFinite);
    if (!finite) throw new RangeError("it gives NaN or infinity - choose another");
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) refused(kind, error);
    engine.close();
    throw error;
  }
  return engine;
}

/**
 * Compile for one accelerator: LiteRT.js itself falls back to others without a word.
 *
 * @param {LiteRt} litert
 * @param {Uint8Array} file
 * @param {"webgpu" | "wasm"} kind
 */
async function compileAlone(litert, file, kind) {
  const model = await litert.loadAndCompile(file, { accelerator: kind });
  if (kind === "webgpu" && !(model.options.accelerator === kind && model.isFullyAccelerated)) {
    model.delete();
    throw new Error("the GPU runs only parts of this model");
  }
  return model;
}

/**
 * Tell what LiteRT.js refuses. A module that a file has brought down can't be used again.
 *
 * @param {"webgpu" | "wasm"} kind
 * @param {unknown} error
 * @returns {never}
 */
function refused(kind, error) {
  if (error instanceof WebAssembly.RuntimeError) forget();
  if (kind === "webgpu") {
    throw told("it takes float files of operators that it knows", "choose an FP32 file", error);
  }
  const what = "it is damaged, or has operators that LiteRT.js lacks";
  throw told(what, "export it again: mvpose-export --target tflite", error);
}

/**
 * @param {CompiledModel} model
 * @param {Description} description
 */
function refuseOtherShapes(model, { inputSize, heatmapSize, keypoints }) {
  const expected = [
    [1, inputSize[1], inputSize[0], 3],
    [1, heatmapSize[1], heatmapSize[0], keypoints.length],
  ].join(" -> ");
  const [given, made] = [model.getInputDetails(), model.getOutputDetails()];
  const found = [...given, ...made].map((tensor) => tensor.shape).join(" -> ");
  if (found !== expected) {
    throw new UnusableModel("shapes", `has tensors ${found}, its description says ${expected}`);
  }
}

/**
 * @param {string} what happened
 * @param {string} hint what to do next
 * @param {unknown} error that LiteRT.js gave
 */
export function told(what, hint, error) {
  return new Error(`${what} - ${hint} (LiteRT.js says: ${oneLine(error)})`);
}

/** The words of an error, without places in sources. @param {unknown} error */
export function oneLine(error) {
  const said = error instanceof Error ? error.message : String(error);
  const words = said
    .replace(/\u2514|ERROR: (\[[^\]]*\])?/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  return words || "no reason given";
}
