// The page: what is drawn goes to the server, one question at a time, and what comes back is painted at once.

import { Answer } from "./answer.js";
import * as api from "./api.js";
import { Changes } from "./changes.js";
import { byId, make, say } from "./dom.js";
import { Layers } from "./layers.js";
import { Live } from "./live.js";
import { Pad } from "./pad.js";
import { onColours, paint, signed } from "./palette.js";
import { Samples } from "./samples.js";
import { Sum } from "./sum.js";

const POLL = 500; // milliseconds between two questions about networks that are not ready
const MEASURES = 2000; // so many latencies are kept at most

const answer = new Answer();
const samples = new Samples((image, time) => pad.take(image, time));
const layers = new Layers((stage, place) => choose(stage, place));
const sum = new Sum(() => choose(null));
const changes = new Changes((time) => ask(time));
const live = new Live(trouble, { use: () => pick("live"), moved: () => state.key === "live" && ask() });
let pad;

/** The network that is shown, what was chosen in it, and the question in hand. */
const state = { key: "", ready: false, chosen: null, busy: false, again: false, times: [] };

function trouble(text) {
  say(byId("trouble"), text);
  byId("trouble").hidden = !text;
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
  do {
    state.again = false;
    const times = state.times.splice(0);
    if (!state.ready) continue;
    if (pad.empty) {
      layers.blank();
      answer.blank();
      unmark();
      continue;
    }
    try {
      const { key } = state;
      const found = await api.look(key, changes.query, pad.body);
      if (key !== state.key || !state.ready || pad.empty) continue;
      layers.show(found, key !== "live");
      answer.show(found);
      trouble("");
      measure(times);
      takeApart();
    } catch (error) {
      trouble(error instanceof api.Refused ? error.message : "The server does not answer. Is it still running?");
    }
  } while (state.again);
  state.busy = false;
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
  if (!stage || pad.empty) {
    state.chosen = null;
    unmark();
    return;
  }
  state.chosen = { stage, place };
  takeApart();
}

function unmark() {
  layers.mark(null, null, null);
  sum.element.remove();
}

let apart = false; // whether a question about a number is in hand
async function takeApart() {
  if (!state.chosen || apart) return;
  apart = true;
  const { key, chosen } = state;
  const { stage, place } = chosen;
  try {
    const said = await api.field(key, changes.query, pad.body, { stage: stage.number, ...stage.named(place) });
    if (state.chosen === chosen && state.key === key) {
      layers.mark(stage, place, said);
      sum.show(stage, stage.title(place), said, layers.stages[stage.given.source]);
      if (sum.element.previousElementSibling !== stage.readout) stage.readout.after(sum.element);
    }
  } catch (error) {
    trouble(error.message);
  }
  apart = false;
  if (state.chosen && state.chosen !== chosen) takeApart();
}

/** Show another network. */
async function pick(key) {
  state.key = key;
  state.ready = false;
  state.chosen = null;
  unmark();
  const select = byId("network");
  if (key === "live" && !select.querySelector('[value="live"]')) select.append(make("option", { value: "live", textContent: "In training, below" }));
  select.value = key;
  try {
    const description = await api.network(key);
    if (state.key !== key) return;
    const read = description.accuracy === null ? "" : ` It reads ${(100 * description.accuracy).toFixed(1)} % of the 1,000 test digits in the package.`;
    const about = known[key]?.about ?? "The network that is being trained below.";
    say(byId("about"), `${about} ${description.parameters.toLocaleString("en")} parameters, ${description.trained}.${read}`);
    layers.build(description);
    answer.build(description);
    state.ready = true;
    await samples.build(key);
    ask();
  } catch (error) {
    trouble(error.message);
  }
}

let known = {};

/** Ask for the networks until all are ready, and show the first that is. */
async function prepare() {
  for (;;) {
    let found;
    try {
      found = await api.networks();
    } catch {
      trouble("The server does not answer. Is it still running?");
      await new Promise((done) => setTimeout(done, 4 * POLL));
      continue;
    }
    trouble("");
    known = Object.fromEntries(found.networks.map((each) => [each.key, each]));
    options(found.networks);
    live.choices(found.networks);
    const ready = found.networks.filter(({ state: now }) => now === "ready");
    if (!state.key && ready.length) pick(ready[0].key);
    const waiting = found.networks.filter(({ state: now }) => ["waiting", "compiling", "training"].includes(now));
    progress(waiting);
    if (!waiting.length) return;
    await new Promise((done) => setTimeout(done, POLL));
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
prepare();
