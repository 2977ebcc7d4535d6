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
    whole.close();
    const picture = await createImageBitmap(file, {
      ...options,
      resizeWidth: Math.round(width * scale),
      resizeHeight: Math.round(height * scale),
      resizeQuality: "high",
    });
    return { picture, shrunk: true };
  } catch {
    const cause = file.size
      ? "it is damaged, or no picture that this browser knows"
      : "it is empty";
    throw new Error(`${file.name} cannot be shown: ${cause} - choose another picture`);
  }
}
