/** A model at work: crop, inference, keypoints, and how long each takes. */

import { PosePipeline } from "../pose/pipeline.js";
import { Latency, quantile } from "./latency.js";
import { told } from "./litert.js";

/** @import { Box } from "../pose/affine.js" */
/** @import { Picture } from "../pose/crop.js" */
/** @import { Description } from "../pose/description.js" */
/** @import { Engine } from "./litert.js" */

const WARM_UP_RUNS = 5;
const BENCHMARK_RUNS = 50;

export class Estimator {
  #pipeline;

  /**
   * @param {Engine} engine
   * @param {Description} description
   */
  constructor(engine, description) {
    this.engine = engine;
    this.description = description;
    this.#pipeline = new PosePipeline(description);
    this.preprocess = new Latency();
    this.inference = new Latency();
    this.postprocess = new Latency();
  }

  /**
   * The pose of the person in a box.
   *
   * @param {() => Picture} grab gets the picture; its time counts as preprocessing
   * @param {Box} box
   * @returns {Promise<import("../pose/decode.js").Pose>} which the next call writes over
   */
  async estimate(grab, box) {
    const start = performance.now();
    this.#pipeline.prepare(grab(), box);
    const prepared = performance.now();
    const heatmaps = await this.#infer();
    const inferred = performance.now();
    const pose = this.#pipeline.read(heatmaps);
    this.preprocess.add(prepared - start);
    this.inference.add(inferred - prepared);
    this.postprocess.add(performance.now() - inferred);
    return pose;
  }

  /**
   * Time inference alone, on the last crop.
   *
   * @returns {Promise<{runs: number, medianMs: number, p90Ms: number}>}
   */
  async benchmark() {
    const samples = [];
    for (let run = -WARM_UP_RUNS; run < BENCHMARK_RUNS; run++) {
      const start = performance.now();
      await this.#infer();
      if (run >= 0) samples.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve));
    }
    return {
      runs: BENCHMARK_RUNS,
      medianMs: quantile(samples, 0.5),
      p90Ms: quantile(samples, 0.9),
    };
  }

  /** The heatmaps of the last crop. */
  async #infer() {
    try {
      return await this.engine.run(this.#pipeline.input);
    } catch (error) {
      const hint = "choose another model or accelerator, or reload the page";
      throw told("The model stopped", hint, error);
    }
  }

  close() {
    this.engine.close();
  }
}
