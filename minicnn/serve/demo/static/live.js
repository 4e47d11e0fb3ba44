// A training to watch: loss, kernels and gradients while they move.

import * as api from "./api.js";
import { Atlas } from "./atlas.js";
import { byId, make, pause, say, words } from "./dom.js";
import { largest, signed } from "./palette.js";

const PAUSE = 80; // milliseconds between two questions
const SPOKEN = 5000; // and between two sentences for those who listen

export class Live {
  /**
   * @param {function(Error): void} trouble  called with what went wrong
   * @param {Object} using  `use` looks by the network in training, `moved` is called when that network has changed
   */
  constructor(trouble, { use, moved }) {
    this.trouble = trouble;
    this.moved = moved;
    this.run = 0;
    this.losses = [];
    this.told = -Infinity;
    byId("live").addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    byId("live-stop").addEventListener("click", () => api.stop().catch(trouble));
    byId("live-use").addEventListener("click", use);
    new ResizeObserver(() => this.fit()).observe(byId("live-shown"));
  }

  choices(networks) {
    if (byId("live-network").children.length) return;
    byId("live-network").append(...networks.filter(({ key }) => key !== "own").map(({ key, title }) => make("option", { value: key, textContent: title })));
    byId("live-network").value = "modern";
  }

  async start() {
    const steps = byId("live-steps").valueAsNumber;
    try {
      const { run } = await api.train(byId("live-network").value, steps, byId("live-rate").value);
      this.take(run);
      say(byId("live-words"), "Getting ready.");
      this.follow();
    } catch (error) {
      this.trouble(error);
    }
  }

  /** Be about another training than before. */
  take(run) {
    this.run = run;
    this.losses = [];
  }

  /** Show the server's training, which may have been started in another window, until it ends. */
  async follow() {
    if (this.following) return;
    this.following = true;
    try {
      while (await this.step()) await pause(PAUSE);
    } catch (error) {
      this.trouble(error);
    } finally {
      this.following = false;
    }
  }

  /** Show how far the training is; whether there is more to come. */
  async step() {
    const { run } = this;
    let found;
    try {
      found = await api.training(this.losses.length);
    } catch (error) {
      if (error.busy) return true;
      throw error;
    }
    if (run !== this.run) return true; // another one was started meanwhile
    if (found.run !== run) {
      this.take(found.run);
      return found.run !== 0;
    }
    if (!run) return false;
    this.losses.push(...found.arrays.losses);
    this.show(found);
    if (found.looked) this.moved();
    return found.state === "running";
  }

  show(found) {
    byId("live-shown").hidden = false;
    byId("live-start").textContent = "Start anew";
    byId("live-stop").disabled = found.state !== "running";
    byId("live-use").disabled = !found.looked;
    const [, accuracy] = found.accuracies.at(-1) ?? [];
    const read = accuracy === undefined ? "" : ` It reads ${(100 * accuracy).toFixed(1)} % of 200 test digits.`;
    const ends = { running: "", done: " Done.", stopped: " Stopped." };
    const which = byId("live-network").querySelector(`[value="${found.network}"]`)?.textContent ?? "The network"; // another window may have started it
    const step = found.step ? `${which}: step ${found.step} of ${found.steps}, loss ${words(this.losses.at(-1))}.` : "Compiling kernels, at the first start only.";
    const text = `${step}${read}${ends[found.state] ?? ` ${found.state.replace("failed", "Failed")}.`}`;
    say(byId("live-words"), text);
    this.speak(text, found.state !== "running");
    const { kernels, grads, sizes } = found.arrays;
    if (!this.kernels || this.kernels.maps !== kernels.shape[0]) this.build(kernels.shape, found.first);
    this.atlases([[this.kernels, kernels], [this.grads, grads]]);
    this.sizes(found.layers, sizes);
    this.draw(found.steps);
    byId("live-loss").setAttribute("aria-label", `Loss by step. ${step}`);
  }

  /** Tell those who listen, but not at every step. */
  speak(text, now) {
    if (!now && performance.now() - this.told < SPOKEN) return;
    this.told = performance.now();
    say(byId("live-spoken"), text);
  }

  build([maps, rows, columns], first) {
    say(byId("live-kernels-words"), `The ${maps} kernels of ${first}, ${rows} × ${columns}`);
    for (const name of ["kernels", "grads"]) {
      this[name] = new Atlas(maps, [rows, columns], { label: name === "kernels" ? "Kernels" : "Gradients of the kernels", most: 70, least: 44, still: true });
      byId(`live-${name}`).replaceChildren(this[name].element);
    }
    this.fit();
  }

  fit() {
    const width = byId("live-kernels").clientWidth;
    if (!width) return;
    this.kernels?.fit(width);
    this.grads?.fit(width);
    if (this.losses.length) this.draw(this.all);
  }

  atlases(pairs) {
    for (const [atlas, values] of pairs) {
      const scale = largest(values) || 1;
      atlas.paint(values, (v) => signed(v, scale));
    }
  }

  sizes(layers, values) {
    const body = byId("live-sizes");
    if (body.children.length !== layers.length) {
      body.replaceChildren(...layers.map((name) => make("tr", {}, make("th", { scope: "row", textContent: name }), make("td", {}, make("div.bar", {}, make("span"))), make("td"))));
    }
    layers.forEach((_, n) => {
      const [, bar, text] = body.children[n].children;
      const share = values[n] > 0 ? Math.min(1, Math.max(0, (Math.log10(values[n]) + 6) / 6)) : 0; // from 10⁻⁶ to 1
      bar.firstChild.firstChild.style.transform = `scaleX(${share.toFixed(3)})`;
      say(text, Number.isFinite(values[n]) ? values[n].toExponential(1).replace("-", "−") : words(values[n]));
    });
  }

  /** The losses as a line, with the mean of the last 20 over it. */
  draw(steps) {
    this.all = steps;
    const canvas = byId("live-loss");
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
    if (!wide) return;
    canvas.width = wide * ratio;
    canvas.height = high * ratio;
    const paper = canvas.getContext("2d");
    paper.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name);
    const [left, right, top, bottom] = [44, 6, 8, 20];
    const losses = this.losses.filter(Number.isFinite); // the last one of a training that went astray is not
    const most = Math.max(...losses, 1e-6);
    const x = (step) => left + ((wide - left - right) * step) / steps;
    const y = (loss) => high - bottom - ((high - top - bottom) * loss) / most;
    paper.font = `12px ${style.fontFamily}`;
    paper.fillStyle = colour("--muted");
    paper.strokeStyle = colour("--line");
    paper.textAlign = "right";
    for (const share of [0, 0.5, 1]) {
      paper.fillText(words(share * most), left - 6, y(share * most) + 4);
      paper.beginPath();
      paper.moveTo(left, y(share * most));
      paper.lineTo(wide - right, y(share * most));
      paper.stroke();
    }
    paper.fillText(`step ${steps}`, wide - right, high - 4);
    paper.textAlign = "left";
    paper.fillText("0", left, high - 4);
    const line = (values, name, width) => {
      paper.strokeStyle = colour(name);
      paper.lineWidth = width;
      paper.beginPath();
      values.forEach((loss, n) => (n ? paper.lineTo(x(n + 1), y(loss)) : paper.moveTo(x(1), y(loss))));
      paper.stroke();
    };
    line(losses, "--muted", 1);
    let sum = 0;
    const means = losses.map((loss, n) => {
      sum += loss - (n >= 20 ? losses[n - 20] : 0);
      return sum / Math.min(n + 1, 20);
    });
    line(means, "--accent", 2);
  }

  recolour() {
    this.kernels?.paint(this.kernels.values, this.kernels.colour);
    this.grads?.paint(this.grads.values, this.grads.colour);
    if (this.losses.length) this.draw(this.all);
  }
}
