/** The zip archive at the end of a `.tflite` file, which holds its description. */

const ENTRY = "mvpose.json";
const END = 0x06054b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 0xffff;
const DIRECTORY_ENTRY = 0x02014b50;
const LOCAL_ENTRY = 0x04034b50;
const STORED = 0;

/**
 * The text of the description inside a file (PKWARE's APPNOTE 6.3, sections 4.3.7, .12 and .16;
 * the entry is stored, not compressed).
 *
 * @param {Uint8Array} file
 * @returns {string} empty where there is none
 */
export function embeddedDescription(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  try {
    return entryText(file, view);
  } catch (error) {
    // an offset that points out of the file: it was cut off
    if (error instanceof RangeError) return "";
    throw error;
  }
}

/**
 * @param {Uint8Array} file
 * @param {DataView} view
 */
function entryText(file, view) {
  const end = findEnd(view);
  if (end < 0) return "";
  // offsets count from where the archive begins, for some writers; the directory tells
  const directory = end - view.getUint32(end + 12, true);
  const start = directory - view.getUint32(end + 16, true);
  let at = directory;
  for (let entry = 0; entry < view.getUint16(end + 10, true); entry++) {
    if (view.getUint32(at, true) !== DIRECTORY_ENTRY) return "";
    const nameBytes = view.getUint16(at + 28, true);
    if (text(file, at + 46, nameBytes) === ENTRY && view.getUint16(at + 10, true) === STORED) {
      return contents(
        file,
        view,
        start + view.getUint32(at + 42, true),
        view.getUint32(at + 20, true),
      );
    }
    at += 46 + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return "";
}

/** @param {DataView} view */
function findEnd(view) {
  const last = view.byteLength - END_BYTES;
  for (let at = last; at >= Math.max(0, last - LONGEST_COMMENT); at--) {
    if (view.getUint32(at, true) === END) return at;
  }
  return -1;
}

/**
 * @param {Uint8Array} file
 * @param {DataView} view
 * @param {number} at where the entry begins
 * @param {number} bytes
 */
function contents(file, view, at, bytes) {
  if (view.getUint32(at, true) !== LOCAL_ENTRY) return "";
  return text(file, at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true), bytes);
}

/**
 * @param {Uint8Array} file
 * @param {number} at
 * @param {number} bytes
 */
function text(file, at, bytes) {
  return new TextDecoder().decode(file.subarray(at, at + bytes));
}
