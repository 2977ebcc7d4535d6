/** The models to choose from: those that the server offers, and those dropped on the page. */

import { embeddedDescription } from "./pose/archive.js";
import { parseDescription } from "./pose/description.js";

/** @import { Description } from "./pose/description.js" */

/**
 * @typedef {object} Model
 * @property {string} name of the file
 * @property {() => Promise<Uint8Array>} read its bytes
 */

/** @returns {Promise<Model[]>} the one to start with first */
export async function servedModels() {
  const rows = /** @type {{file: string, url: string}[]} */ (
    await (await fetched("/models.json")).json()
  );
  return rows.map(({ file, url }) => ({
    name: file,
    read: async () => new Uint8Array(await (await fetched(url)).arrayBuffer()),
  }));
}

/**
 * @param {File} file
 * @returns {Model}
 */
export function droppedModel(file) {
  return {
    name: file.name,
    read: async () => new Uint8Array(await file.arrayBuffer()),
  };
}

/**
 * @param {Model} model
 * @returns {Promise<{file: Uint8Array, description: Description}>}
 * @throws {import("./pose/description.js").UnusableModel}
 */
export async function readModel(model) {
  const file = await model.read();
  return { file, description: parseDescription(embeddedDescription(file)) };
}

/** @param {string} url */
async function fetched(url) {
  const gone = "The server does not answer - start mvpose-demo again and reload this page";
  const response = await fetch(url).catch(() => null);
  if (!response) throw new Error(gone);
  if (!response.ok) throw new Error(`${url} is gone (${response.status}) - restart mvpose-demo`);
  return response;
}
