// The page: what is drawn goes to the server, one question at a time, and what comes back is painted at once.

import { Answer } from "./answer.js";
import * as api from "./api.js";
import { Changes } from "./changes.js";
import { byId, make, pause, say, speak } from "./dom.js";
import { Layers } from "./layers.js";
import { Live } from "./live.js";
import { Pad } from "./pad.js";
import { onColours, paint, signed } from "./palette.js";
import { Samples } from "./samples.js";
import { Sum } from "./sum.js";

const POLL = 500; // milliseconds between two questions about networks that are not ready
const MEASURES = 2000; // so many latencies are kept at most
const BUSY = 200; // milliseconds until a server that is busy is asked again

const answer = new Answer();
const samples = new Samples((image, time) => pad.take(image, time));
const layers = new Layers((stage, place) => choose(stage, place));
const sum = new Sum(() => choose(null));
const changes = new Changes((time) => ask(time));
const live = new Live(report, { use: () => pick("live"), moved: () => state.key === "live" && ask() });
let pad;

/** The network that is shown, what was chosen in it, and the question in hand. */
const state = { key: "", run: 0, picks: 0, ready: false, chosen: null, busy: false, again: false, times: [] };

function trouble(text) {
  say(byId("trouble"), text);
  byId("trouble").hidden = !text;
}

/** Tell what went wrong with a request; other errors are faults of the page. */
function report(error) {
  if (!(error instanceof api.Failed)) throw error;
  trouble(error.message);
}

/** Ask about the drawing; while a question is in hand the newest waits. */
function ask(time) {
  if (time !== undefined) state.times.push(time);
  byId("hint").hidden = !pad.empty;
  if (pad.image === null) samples.press(null);
  if (state.busy) state.again = true;
  else look();
}

async function look() {
  state.busy = true;
  try {
    do {
      state.again = false;
      await askLook(state.times.splice(0));
    } while (state.again);
  } finally {
    state.busy = false;
  }
}

async function askLook(times) {
  const { key } = state;
  if (!state.ready) return;
  if (pad.empty) {
    layers.blank();
    answer.blank();
    unmark();
    return;
  }
  try {
    const found = await api.look(key, changes.query, pad.body);
    if (key !== state.key || !state.ready || pad.empty) return;
    if (found.run !== state.run) { // another training began, maybe in another window
      live.follow();
      pick(key);
      return;
    }
    layers.show(found, key !== "live");
    answer.show(found);
    trouble("");
    measure(times);
    takeApart();
  } catch (error) {
    state.again ||= Boolean(error.busy);
    if (!error.busy) {
      report(error);
      answer.fail(error.message);
    }
    await pause(BUSY);
  }
}

/** Note how long it took from each event to its painted answer. */
function measure(times) {
  requestAnimationFrame(() => {
    const end = performance.now();
    for (const start of times) performance.measure("draw to paint", { start, end });
    if (performance.getEntriesByName("draw to paint").length > MEASURES) performance.clearMeasures("draw to paint");
  });
}

/** Choose a pixel of a stage, or none. */
function choose(stage, place) {
  if (!stage) {
    const before = state.chosen;
    state.chosen = null;
    const inside = sum.element.contains(document.activeElement);
    unmark();
    if (inside) before?.stage.atlas.canvas.focus(); // its button goes, and with it the focus would
    return;
  }
  state.chosen = { stage, place, told: false };
  takeApart();
}

function unmark() {
  layers.mark(null, null, null);
  sum.element.remove();
}

const apart = { busy: false, again: false };

/** Ask about the chosen number; while a question is in hand the newest waits. */
async function takeApart() {
  apart.again = true;
  if (apart.busy) return;
  apart.busy = true;
  try {
    while (apart.again) {
      apart.again = false;
      if (state.chosen && state.ready && !pad.empty) await askApart(state);
    }
  } finally {
    apart.busy = false;
  }
}

async function askApart({ key, chosen }) {
  const { stage, place } = chosen;
  try {
    const said = await api.field(key, changes.query, pad.body, { stage: stage.number, ...stage.named(place) });
    if (state.chosen !== chosen || pad.empty) return;
    const { canvas } = stage.atlas;
    const before = canvas.getBoundingClientRect().top;
    layers.mark(stage, place, said);
    sum.show(stage, stage.title(place), said, layers.stages[stage.given.source]);
    if (sum.element.previousElementSibling !== stage.readout) stage.readout.after(sum.element);
    if (chosen.told) return;
    window.scrollBy(0, canvas.getBoundingClientRect().top - before); // a sum above it is gone, and the map stays where it was chosen
    sum.reveal();
    speak(sum.spoken);
    chosen.told = true;
  } catch (error) {
    if (error.busy) {
      await pause(BUSY);
      apart.again = true;
    } else report(error);
  }
}

/** Show another network. */
async function pick(key) {
  const number = ++state.picks;
  const wanted = () => state.picks === number;
  state.key = key;
  state.ready = false;
  state.chosen = null;
  unmark();
  const select = byId("network");
  if (key === "live" && !select.querySelector('[value="live"]')) select.append(make("option", { value: "live", textContent: "In training, below" }));
  select.value = key;
  try {
    const description = await api.network(key);
    if (!wanted()) return;
    const read = description.accuracy === null ? "" : ` It reads ${(100 * description.accuracy).toFixed(1)} % of the 1,000 test digits in the package.`;
    const about = known[key]?.about ?? "The network that is being trained below.";
    say(byId("about"), `${about} ${description.parameters.toLocaleString("en")} parameters, ${description.trained}.${read}`);
    layers.build(description);
    answer.build(description);
    state.run = description.run;
    state.ready = true;
    ask();
    await samples.build(key, wanted);
  } catch (error) {
    if (!error.busy) report(error);
    else {
      await pause(BUSY);
      if (wanted()) pick(key);
    }
  }
}

let known = {};

/** Ask for the networks until all are ready, and show the first that is. */
async function prepare() {
  for (;;) {
    let found;
    try {
      found = await api.networks();
    } catch (error) {
      report(error);
      await pause(4 * POLL);
      continue;
    }
    trouble("");
    known = Object.fromEntries(found.networks.map((each) => [each.key, each]));
    options(found.networks);
    live.choices(found.networks);
    byId("own-hint").hidden = found.networks.some(({ key }) => key === "own");
    const ready = found.networks.filter(({ state: now }) => now === "ready");
    if (!state.key && ready.length) pick(ready[0].key);
    const waiting = found.networks.filter(({ state: now }) => ["waiting", "compiling", "training"].includes(now));
    progress(waiting);
    if (!waiting.length) return;
    await pause(POLL);
  }
}

function options(networks) {
  const select = byId("network");
  for (const { key, title, state: now, share } of networks) {
    const option = select.querySelector(`[value="${key}"]`) ?? select.appendChild(make("option", { value: key }));
    option.disabled = now !== "ready";
    const more = { ready: "", waiting: " (waits)", compiling: " (compiling)", training: ` (training, ${Math.round(100 * share)} %)` };
    say(option, `${title}${more[now] ?? " (failed)"}`);
  }
  const failed = networks.find(({ state: now }) => now.startsWith("failed"));
  if (failed) trouble(`${failed.title}: ${failed.state}`);
}

function progress(waiting) {
  const line = byId("progress");
  line.hidden = !waiting.length;
  const now = waiting.find(({ state: each }) => each !== "waiting");
  if (!now) return;
  const does = now.state === "training" ? `is being trained on the digits in the package, ${Math.round(100 * now.share)} %` : "gets ready: kernels are compiled";
  say(line, `At the first start only: ${now.title} ${does}.`);
}

function legend() {
  paint(byId("legend"), Array.from({ length: 128 }, (_, n) => (n - 63.5) / 63.5), 1, 128, (v) => signed(v, 1));
}

onColours(() => {
  legend();
  samples.recolour();
  layers.recolour();
  live.recolour();
});
legend();
pad = new Pad(128, ask);
byId("network").addEventListener("change", (event) => pick(event.target.value));
byId("clear").addEventListener("click", (event) => pad.clear(event.timeStamp));
byId("undo").addEventListener("click", (event) => pad.undo(event.timeStamp));
document.addEventListener("keydown", ({ key }) => key === "Escape" && state.chosen && choose(null));
byId("pin").addEventListener("click", () => {
  const pinned = document.documentElement.classList.toggle("pinned");
  byId("pin").setAttribute("aria-pressed", String(pinned));
});
prepare();
live.follow();
