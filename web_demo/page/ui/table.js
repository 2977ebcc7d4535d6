/** The table of keypoints. */

import { element } from "./dom.js";

/** @import { Overlay } from "./overlay.js" */

/** Rows for one skeleton. */
export class KeypointTable {
  /** @type {HTMLTableCellElement[][]} */
  #cells = [];
  #floor = 0;

  /** @param {Overlay} overlay */
  constructor(overlay) {
    this.overlay = overlay;
    const { description } = overlay;
    this.#floor = description.decode.scoreFloor;
    const rows = description.keypoints.map((name, k) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name.replaceAll("_", " ");
      head.style.setProperty("--keypoint", overlay.color(k));
      const cells = ["x", "y", "score"].map(() => document.createElement("td"));
      row.append(head, ...cells);
      this.#cells.push(cells);
      return row;
    });
    element("keypoints", HTMLTableSectionElement).replaceChildren(...rows);
  }

  /**
   * @param {Float64Array} points x, y of each keypoint in the picture
   * @param {Float64Array} scores
   */
  show(points, scores) {
    this.#cells.forEach(([x, y, score], k) => {
      x.textContent = points[2 * k].toFixed(1);
      y.textContent = points[2 * k + 1].toFixed(1);
      score.textContent = scores[k].toFixed(2);
      score.style.setProperty("--score", String(Math.min(Math.max(scores[k], 0), 1)));
      x.parentElement?.classList.toggle("guess", scores[k] < this.#floor);
    });
  }
}
