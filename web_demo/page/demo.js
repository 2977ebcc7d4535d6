/** The page: what its controls do. */

import { droppedModel, readModel, servedModels } from "./models.js";
import { Player } from "./player.js";
import { resultDocument } from "./pose/result.js";
import { missingFromBrowser } from "./runtime/browser.js";
import { Estimator } from "./runtime/estimator.js";
import { library, oneLine, openEngine } from "./runtime/litert.js";
import { countCameras, openCamera } from "./sources/camera.js";
import { readPicture } from "./sources/picture.js";
import { button, element } from "./ui/dom.js";
import { takeDropped } from "./ui/drop.js";
import { clearFigures, showFigures } from "./ui/figures.js";
import { complain, say } from "./ui/message.js";
import { Overlay } from "./ui/overlay.js";
import { Stage } from "./ui/stage.js";
import { KeypointTable } from "./ui/table.js";

/** @import { Model } from "./models.js" */
/** @import { Choice } from "./runtime/litert.js" */
/** @import { Facing } from "./sources/camera.js" */

/** Between changes of the figures and the table, which nobody reads faster. */
const READABLE_MS = 250;

const root = document.documentElement;
const canvas = element("stage", HTMLCanvasElement);
const modelList = element("model", HTMLSelectElement);
const acceleratorList = element("accelerator", HTMLSelectElement);
const runs = element("runs", HTMLElement);
const why = element("why", HTMLElement);
const about = element("about", HTMLElement);
const timed = element("benchmark-result", HTMLElement);

const stage = new Stage(canvas, (box) => player.choose(box));
const player = new Player(stage, showFound, (error) => {
  complain(error);
  refreshControls();
});

/** @type {Model[]} */
const models = [];
/** What runs. @type {{model: Model, choice: Choice} | null} */
let current = null;
/** What shall run: of several that wait, the last. @type {Model | null} */
let wanted = null;
let loads = 0;
let loading = Promise.resolve();
/** Counts the wishes for a camera or a picture: what an older one brings is let go. */
let wishes = 0;
/** @type {KeypointTable | null} */
let table = null;
/** @type {Facing} */
let facing = "user";
let shownAt = 0;

/** Which controls can be used now. */
function refreshControls() {
  const ready = player.estimator !== null;
  const playing = player.camera !== null;
  const pressed = document.activeElement?.closest(".welcome button");
  root.dataset.source = playing ? "camera" : player.found ? "picture" : "none";
  // the button that was pressed is hidden now: the keyboard goes on at its counterpart
  if (pressed && root.dataset.source !== "none") {
    button(pressed.id.replace("-first", "")).focus({ preventScroll: true });
  }
  for (const id of ["camera", "picture", "camera-first", "picture-first"]) {
    button(id).disabled = !ready;
  }
  button("pause").hidden = !playing;
  button("pause").textContent = player.paused ? "Resume" : "Pause";
  button("stop").hidden = !playing;
  if (!playing) button("turn").hidden = true;
  for (const id of ["mirror", "whole", "fullscreen", "save"]) button(id).disabled = !player.found;
  button("mirror").setAttribute("aria-pressed", String(stage.mirror));
  button("benchmark").disabled = !ready;
}

function showFound() {
  const { found, estimator, camera } = player;
  if (!found || !estimator || !player.overlay) return;
  const now = performance.now();
  if (camera && !player.paused && now - shownAt < READABLE_MS) return;
  shownAt = now;
  if (table?.overlay !== player.overlay) table = new KeypointTable(player.overlay);
  table.show(found.pose.points, found.pose.scores);
  showFigures(estimator, camera ? player.interval : null);
  element("score", HTMLElement).textContent = found.pose.score.toFixed(2);
  canvas.dataset.boxes = found.boxes;
  const what = camera ? "The camera's picture" : `The picture ${found.source}`;
  canvas.setAttribute("aria-label", `${what} with the pose drawn over it`);
  refreshControls();
}

/**
 * Run a model from now on; where it can't be, the one before stays.
 *
 * @param {Model} model
 */
function useModel(model) {
  wanted = model;
  const mine = ++loads;
  loading = loading.then(() => (mine === loads ? load(model) : undefined));
  return loading;
}

/** @param {Model} model */
async function load(model) {
  say(`Loading ${model.name} …`);
  root.dataset.busy = "";
  try {
    const { file, description } = await readModel(model);
    const choice = /** @type {Choice} */ (acceleratorList.value);
    const estimator = new Estimator(await openEngine(file, description, choice), description);
    say("");
    await player.useModel(estimator, new Overlay(description));
    current = { model, choice };
    if (!models.includes(model)) offer(model);
    if (wanted === model) modelList.value = String(models.indexOf(model));
    if (!player.found) clearFigures();
    runs.textContent = estimator.engine.accelerator.label;
    why.textContent = estimator.engine.accelerator.why;
    const size = `${(file.length / 1e6).toFixed(1)} MB`;
    const { recipe, inputSize, keypoints } = description;
    about.textContent = `${description.name}, ${recipe}, ${size}: ${inputSize.join(" × ")} pixels, ${keypoints.length} keypoints`;
    timed.textContent = "";
  } catch (error) {
    say(`${model.name} cannot be run: ${oneLine(error)}`, "error");
    if (current && wanted === model) {
      wanted = current.model;
      modelList.value = String(models.indexOf(current.model));
      acceleratorList.value = current.choice;
    }
  }
  delete root.dataset.busy;
  refreshControls();
}

/** @param {Model} model */
function offer(model) {
  models.push(model);
  modelList.add(new Option(model.name, String(models.length - 1)));
}

async function startCamera() {
  const mine = ++wishes;
  say("Waiting for the camera …");
  player.stopCamera();
  refreshControls();
  try {
    const camera = await openCamera(facing, () => {
      player.stopCamera();
      refreshControls();
      complain(new Error("The camera went away - connect it, then start it again"));
    });
    if (mine !== wishes) {
      camera.stop();
      return;
    }
    say("");
    player.playCamera(camera);
    refreshControls();
    const several = (await countCameras()) > 1;
    button("turn").hidden = !several || player.camera !== camera;
  } catch (error) {
    if (mine === wishes) complain(error);
  }
}

/** @param {File} file */
async function openFile(file) {
  if (file.name.endsWith(".tflite")) {
    await useModel(droppedModel(file));
    return;
  }
  if (!player.estimator) return;
  const mine = ++wishes;
  try {
    const { picture, shrunk } = await readPicture(file);
    if (mine !== wishes) {
      picture.close();
      return;
    }
    const size = `${picture.width} × ${picture.height}`;
    say(shrunk ? `${file.name} is large: it is looked at in ${size} pixels` : "");
    await player.showPicture(picture, file.name);
  } catch (error) {
    if (mine === wishes) complain(error);
  }
  refreshControls();
}

function save() {
  const { found, estimator } = player;
  if (!found || !estimator) return;
  const { kind, threads } = estimator.engine.accelerator;
  const protocol = { runtime: "litert.js", device: kind, threads, file: current?.model.name ?? "" };
  const text = JSON.stringify(resultDocument(estimator.description, protocol, found), null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${text}\n`], { type: "application/json" }));
  link.download = "keypoints.json";
  link.click();
  // not at once: some browsers read it only after the click
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function benchmark() {
  timed.textContent = "Measuring …";
  button("benchmark").disabled = true;
  try {
    const timing = await player.benchmark();
    if (timing) {
      const { runs: count, medianMs, p90Ms } = timing;
      timed.textContent = `Inference: median ${medianMs.toFixed(1)} ms, 90 % below ${p90Ms.toFixed(1)} ms (${count} runs)`;
    }
  } catch (error) {
    timed.textContent = "";
    complain(error);
  }
  refreshControls();
}

/** Full screen, where there is such a thing: not on iPhones. */
function toggleFullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else canvas.requestFullscreen?.().catch(complain);
}

/** @param {() => void} change then the controls follow */
function acting(change) {
  return () => {
    change();
    refreshControls();
  };
}

function connect() {
  const picker = element("file", HTMLInputElement);
  const actions = /** @type {Record<string, () => unknown>} */ ({
    camera: startCamera,
    "camera-first": startCamera,
    picture: () => picker.click(),
    "picture-first": () => picker.click(),
    turn: () => {
      facing = facing === "user" ? "environment" : "user";
      return startCamera();
    },
    pause: acting(() => {
      player.paused = !player.paused;
      if (player.paused) showFound();
      else say("");
    }),
    stop: acting(() => {
      player.stopCamera();
      showFound();
    }),
    mirror: acting(() => {
      stage.mirror = !stage.mirror;
      stage.draw();
    }),
    whole: () => player.choose(null),
    fullscreen: toggleFullscreen,
    save,
    benchmark,
  });
  for (const [id, action] of Object.entries(actions)) button(id).addEventListener("click", action);
  picker.addEventListener("change", () => {
    if (picker.files?.[0]) openFile(picker.files[0]);
    picker.value = "";
  });
  modelList.addEventListener("change", () => useModel(models[Number(modelList.value)]));
  acceleratorList.addEventListener("change", () => wanted && useModel(wanted));
  takeDropped(openFile);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && player.found) player.choose(null);
  });
}

async function start() {
  connect();
  button("fullscreen").hidden = !document.fullscreenEnabled;
  const missing = missingFromBrowser();
  if (missing) {
    complain(new Error(missing));
    return;
  }
  try {
    library().catch(() => {});
    for (const model of await servedModels()) offer(model);
    await useModel(models[0]);
    if (current) performance.mark("mvpose-ready");
  } catch (error) {
    complain(error);
  }
}

start();
