/** The live camera. */

/** @import { Size } from "../pose/affine.js" */

/** @typedef {"user" | "environment"} Facing towards the user, or away */

/** What each refusal of the browser means (W3C, Media Capture and Streams, 10.2). */
const REFUSALS = /** @type {Record<string, string>} */ ({
  NotAllowedError:
    "The camera was not allowed - allow it in the browser's address bar, then try again",
  NotFoundError: "There is no camera - connect one, or choose a picture",
  NotReadableError: "The camera is used by another program - close that, then try again",
  OverconstrainedError: "There is no camera on that side - use the other one",
});

const WANTED = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };

/** An open camera; frames that come while one is looked at are dropped. */
export class Camera {
  /** @type {MediaStreamTrack} */
  #track;
  #stopped = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {MediaStream} stream
   * @param {() => void} lost called when the camera goes away by itself
   */
  constructor(video, stream, lost) {
    this.video = video;
    [this.#track] = stream.getVideoTracks();
    this.#track.addEventListener("ended", () => {
      if (!this.#stopped) lost();
    });
  }

  /** @returns {Size} */
  get size() {
    return [this.video.videoWidth, this.video.videoHeight];
  }

  /** Whether it shows the user, who expects a mirror. */
  get facesUser() {
    return this.#track.getSettings().facingMode !== "environment";
  }

  /**
   * Wait for the next frame.
   *
   * @returns {Promise<number>} its time in seconds
   */
  nextFrame() {
    return new Promise((resolve) => {
      const taken = (/** @type {number} */ now) => resolve(now / 1000);
      if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(taken);
      else requestAnimationFrame(taken);
    });
  }

  stop() {
    this.#stopped = true;
    this.#track.stop();
    this.video.srcObject = null;
  }
}

/**
 * @param {Facing} facing
 * @param {() => void} lost called when the camera goes away by itself
 * @returns {Promise<Camera>}
 * @throws {Error} with one line for the user
 */
export async function openCamera(facing, lost) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Browsers give the camera to localhost and HTTPS alone - open the page there");
  }
  /** @type {MediaStream | null} */
  let stream = null;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { ...WANTED, facingMode: { ideal: facing } },
      audio: false,
    });
    const video = document.createElement("video");
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    await video.play();
    return new Camera(video, stream, lost);
  } catch (error) {
    for (const track of stream?.getTracks() ?? []) track.stop();
    const { name, message } = /** @type {Error} */ (error);
    throw new Error(REFUSALS[name] ?? `The camera does not start: ${message} - try again`);
  }
}

/** How many cameras there are; known once one was allowed. */
export async function countCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput").length;
}
