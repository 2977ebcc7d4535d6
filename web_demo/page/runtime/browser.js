/** What this browser can do. */

/** A function of one v128.const: valid where WebAssembly has SIMD (the specification's 128 bits). */
const SIMD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
]);

/** Why no model can run here; one line, null where one can. */
export function missingFromBrowser() {
  if (typeof WebAssembly === "undefined") {
    return "This browser has no WebAssembly - update it, or take another";
  }
  if (!WebAssembly.validate(SIMD)) {
    return "This browser's WebAssembly has no SIMD, which LiteRT.js needs - update it, or take another";
  }
  return null;
}

/**
 * Why no GPU can be used.
 *
 * @returns {Promise<string | null>} null where there is one
 */
export async function missingGpu() {
  if (!navigator.gpu) {
    return self.isSecureContext ? "this browser has no WebGPU" : "WebGPU needs localhost or HTTPS";
  }
  try {
    const adapter = await navigator.gpu.requestAdapter();
    return adapter ? null : "the browser offers no GPU";
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
}
