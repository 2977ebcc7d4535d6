/** The one line that tells what happens, or what went wrong and what to do. */

import { element } from "./dom.js";

const line = element("message", HTMLParagraphElement);

/**
 * @param {string} text empty takes the line away
 * @param {"note" | "error"} kind
 */
export function say(text, kind = "note") {
  line.textContent = text;
  line.dataset.kind = kind;
  line.ariaLive = kind === "error" ? "assertive" : "polite";
}

/** @param {unknown} error */
export function complain(error) {
  say(error instanceof Error ? error.message : String(error), "error");
}
