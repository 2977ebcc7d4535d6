/** A model's crop and decode rules; inference stands between them. */

import { cropMatrix } from "./affine.js";
import { Cropper } from "./crop.js";
import { HeatmapDecoder } from "./decode.js";

/** @import { Box, Matrix } from "./affine.js" */
/** @import { Picture } from "./crop.js" */
/** @import { Description } from "./description.js" */

/** Its buffers serve every frame. */
export class PosePipeline {
  /** @type {Matrix} */
  #matrix = [1, 0, 0, 0, 1, 0];

  /** @param {Description} description of the model */
  constructor(description) {
    const { decode, heatmapSize, inputSize, keypoints } = description;
    this.description = description;
    this.cropper = new Cropper(inputSize);
    this.decoder = new HeatmapDecoder(decode, heatmapSize, keypoints.length, inputSize);
    /** The network's input: 1 x height x width x 3 red, green, blue, 0..255. */
    this.input = new Float32Array(inputSize[0] * inputSize[1] * 3);
  }

  /**
   * Cut the crop about a box into `input`.
   *
   * @param {Picture} picture
   * @param {Box} box
   */
  prepare(picture, box) {
    const { inputSize, padding } = this.description;
    this.#matrix = cropMatrix(box, inputSize, padding);
    this.cropper.crop(picture, this.#matrix, this.input);
  }

  /**
   * The pose in the crop that was prepared last.
   *
   * @param {Float32Array} heatmaps 1 x height x width x keypoints
   */
  read(heatmaps) {
    return this.decoder.decode(heatmaps, this.#matrix);
  }
}
