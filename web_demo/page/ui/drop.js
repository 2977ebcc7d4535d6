/** Files that are dropped on the page. */

/** @param {(file: File) => unknown} take gets the first one of those dropped together */
export function takeDropped(take) {
  const { dataset } = document.documentElement;
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    dataset.dragging = "";
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) delete dataset.dragging;
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    delete dataset.dragging;
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
}
