/** The camera or a picture, looked at by a model, shown on the stage. */

import { LiveSession } from "./pose/session.js";
import { search } from "./pose/tracking.js";
import { Latency } from "./runtime/latency.js";
import { Frame } from "./sources/frame.js";

/** @import { Box } from "./pose/affine.js" */
/** @import { Pose } from "./pose/decode.js" */
/** @import { Found } from "./pose/result.js" */
/** @import { Estimator } from "./runtime/estimator.js" */
/** @import { Camera } from "./sources/camera.js" */
/** @import { Overlay } from "./ui/overlay.js" */
/** @import { Stage } from "./ui/stage.js" */

export class Player {
  /** @type {Estimator | null} */
  estimator = null;
  /** What was found last. @type {Found | null} */
  found = null;
  /** @type {Camera | null} */
  camera = null;
  paused = false;
  /** How the current model's poses are drawn. @type {Overlay | null} */
  overlay = null;
  /** Between the camera's frames that were looked at. */
  interval = new Latency();

  #frame = new Frame();
  /** @type {ImageData | null} */
  #pixels = null;
  #source = "";
  /** @type {Box | null} */
  #chosen = null;
  /** @type {LiveSession | null} */
  #session = null;
  #lastS = Number.NaN;
  /** @type {Promise<unknown>} */
  #turn = Promise.resolve();

  /**
   * @param {Stage} stage
   * @param {() => void} updated called when something new was found
   * @param {(error: unknown) => void} failed
   */
  constructor(stage, updated, failed) {
    this.stage = stage;
    this.updated = updated;
    this.failed = failed;
  }

  /**
   * Look with another model from now on.
   *
   * @param {Estimator} estimator
   * @param {Overlay} overlay
   */
  useModel(estimator, overlay) {
    return this.#alone(async () => {
      this.estimator?.close();
      this.estimator = estimator;
      this.overlay = overlay;
      this.found = null;
      const { keypoints, decode } = estimator.description;
      this.#session = new LiveSession(keypoints.length, decode.scoreFloor);
      this.#session.choose(this.#chosen);
      this.interval.clear();
      if (this.#isStill()) await this.#lookAtStill().catch(this.failed);
    });
  }

  /**
   * Show a picture in place of what was there.
   *
   * @param {ImageBitmap} picture
   * @param {string} name
   */
  showPicture(picture, name) {
    this.stopCamera();
    return this.#alone(async () => {
      this.#begin(name);
      this.stage.mirror = false;
      this.#pixels = this.#frame.take(picture, [picture.width, picture.height]);
      picture.close();
      await this.#lookAtStill();
    });
  }

  /**
   * Follow the person before a camera.
   *
   * @param {Camera} camera
   */
  async playCamera(camera) {
    this.stopCamera();
    this.camera = camera;
    await this.#alone(() => {
      this.#begin("camera");
      this.stage.mirror = camera.facesUser;
    });
    while (this.camera === camera) {
      const timeS = await camera.nextFrame();
      if (this.camera !== camera) return;
      if (this.paused || !this.estimator) continue;
      await this.#alone(() => this.#lookAtFrame(camera, timeS)).catch((error) => {
        this.paused = true;
        this.failed(error);
      });
    }
  }

  stopCamera() {
    this.camera?.stop();
    this.camera = null;
    this.paused = false;
  }

  /**
   * Look at this part of the picture.
   *
   * @param {Box | null} box null: at the whole picture
   */
  choose(box) {
    const chosen = this.#alone(async () => {
      this.#chosen = box;
      this.#session?.choose(box);
      if (this.#isStill()) await this.#lookAtStill();
    });
    chosen.catch(this.failed);
  }

  /** Time the model; the camera waits. */
  benchmark() {
    return this.#alone(() => this.estimator?.benchmark());
  }

  /** @param {string} source */
  #begin(source) {
    this.found = null;
    this.stage.show(null);
    this.#source = source;
    this.#pixels = null;
    this.#chosen = null;
    this.#session?.choose(null);
    this.interval.clear();
    this.#lastS = Number.NaN;
  }

  #isStill() {
    return this.#pixels !== null && (this.paused || !this.camera);
  }

  /**
   * @param {Camera} camera
   * @param {number} timeS
   */
  async #lookAtFrame(camera, timeS) {
    const { estimator } = this;
    const session = this.#session;
    if (!estimator || !session || this.camera !== camera) return;
    const { size } = camera;
    if (String(size) !== String(this.#frame.size)) session.choose(null);
    const boxes = session.tracked ? "the last pose" : this.#chosen ? "given" : "whole image";
    const box = session.look(size);
    const grab = () => {
      this.#pixels = this.#frame.take(camera.video, size);
      return this.#pixels;
    };
    const pose = await estimator.estimate(grab, box);
    const points = session.read(pose, box, size, timeS);
    if (timeS > this.#lastS) this.interval.add(1000 * (timeS - this.#lastS));
    this.#lastS = timeS;
    this.#chosen = null;
    this.#show(pose, box, boxes, points);
  }

  async #lookAtStill() {
    const { estimator } = this;
    const pixels = this.#pixels;
    if (!estimator || !pixels) return;
    const estimate = (/** @type {Box} */ box) => estimator.estimate(() => pixels, box);
    const size = this.#frame.size;
    const box = this.#chosen;
    if (box) this.#show(await estimate(box), box, "given");
    else {
      const found = await search(estimate, size);
      this.#show(found.pose, found.box, "search from the whole image");
    }
  }

  /**
   * @param {Pose} pose
   * @param {Box} box
   * @param {string} boxes where the box came from
   * @param {Float64Array} [points] to show in place of the pose's own
   */
  #show(pose, box, boxes, points) {
    const { overlay } = this;
    if (!overlay) return;
    const scores = pose.scores.slice();
    const kept = { points: pose.points.slice(), scores, score: pose.score };
    this.found = { source: this.#source, size: this.#frame.size, box, boxes, pose: kept };
    this.stage.show({ frame: this.#frame, overlay, box, points: points ?? kept.points, scores });
    this.updated();
  }

  /**
   * Inference is one at a time.
   *
   * @template T
   * @param {() => T | Promise<T>} task
   * @returns {Promise<T>}
   */
  #alone(task) {
    const done = this.#turn.then(task);
    this.#turn = done.catch(() => {});
    return done;
  }
}
