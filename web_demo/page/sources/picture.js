/** Pictures from files. */

/** Longer sides are shrunk to this: phones allow canvases of 16 million pixels. */
const LONGEST_PX = 4096;

/**
 * Decode a picture, turned upright as its EXIF data says, colours as they are stored.
 *
 * @param {File} file
 * @returns {Promise<{picture: ImageBitmap, shrunk: boolean}>}
 * @throws {Error} with one line for the user
 */
export async function readPicture(file) {
  /** @type {ImageBitmapOptions} */
  const options = { imageOrientation: "from-image", colorSpaceConversion: "none" };
  try {
    const whole = await createImageBitmap(file, options);
    const { width, height } = whole;
    const scale = LONGEST_PX / Math.max(width, height);
    if (scale >= 1) return { picture: whole, shrunk: false };
    const [resizeWidth, resizeHeight] = [width, height].map((side) =>
      Math.max(1, Math.round(side * scale)),
    );
    const resized = { resizeWidth, resizeHeight, resizeQuality: /** @type {const} */ ("high") };
    const picture = await createImageBitmap(whole, resized).finally(() => whole.close());
    return { picture, shrunk: true };
  } catch {
    const cause = file.size
      ? "it is damaged, too large, or no picture that this browser knows"
      : "it is empty";
    throw new Error(`${file.name} cannot be shown: ${cause} - choose another picture`);
  }
}
