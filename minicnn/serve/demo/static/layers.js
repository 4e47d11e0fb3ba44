// The network from input to output: the maps of every stage, its links, and its codes.

import { Atlas } from "./atlas.js";
import { byId, make, say, speak, words } from "./dom.js";
import { ink, largest, paint, signed } from "./palette.js";

const BOUNDS = { "1.7159 · tanh(⅔ a)": 1.7159, "tanh(a)": 1, "1 / (1 + e^−a)": 1 };
const plural = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;

/** The colour of a link; an opacity or a transition would give each of a hundred links a layer of its own to be composed. */
const lit = (share) => `color-mix(in srgb, var(--accent) ${Math.round(100 * share)}%, transparent)`;

/** A stage of the network on the page. */
class Stage {
  constructor(number, given, below, classes, choose) {
    Object.assign(this, { number, given, choose });
    this.vector = given.shape.length === 1;
    this.classes = given.last ? classes : [];
    this.size = given.grid;
    this.scale = BOUNDS[given.activation] ?? 0;
    this.place = { map: 0, row: 0, column: 0 };
    const tall = this.size[0] === 1;
    this.atlas = new Atlas(given.maps, this.size, {
      label: `${given.name}, ${this.what}. Arrow keys go from pixel to pixel${given.maps > 1 ? ", page keys from map to map" : ""}; Enter shows the sum.`,
      most: this.vector ? (tall ? 30 : 10) * this.size[1] : 84,
      least: this.vector ? 1 : 56,
    });
    this.readout = make("p.readout.muted.small");
    this.element = make("article.stage", { "aria-labelledby": `stage-${number}` },
      make("div.stage-head", {}, make("h3", { id: `stage-${number}`, textContent: given.name }),
        make("p.muted.small", { textContent: this.about })));
    this.row = make("div.row", {}, this.body(classes));
    this.element.append(this.row, this.readout);
    if (given.links) this.row.append(this.table(below));
    if (given.codes) this.showCodes(given.codes, classes);
    this.listen();
  }

  get what() {
    const { shape, shown } = this.given;
    const some = shown < shape[0] ? `, the first ${shown.toLocaleString("en")} shown` : "";
    return (this.vector ? plural(shape[0], "unit") : `${plural(shape[0], "map")} of ${shape[1]} × ${shape[2]}`) + some;
  }

  get about() {
    const { words: text, parameters, activation } = this.given;
    const f = activation ? `, then ${activation}` : "";
    return `${text.replaceAll("×", " × ")}${f} · ${this.what} · ${parameters ? plural(parameters, "parameter") : "no parameters"}`;
  }

  body(classes) {
    if (this.size[0] > 1 || !this.classes.length) return this.atlas.element;
    this.names = make("div.classes", { "aria-hidden": "true" }, ...classes.map((name) => make("span", { textContent: name, title: name })));
    return make("div", {}, this.atlas.element, this.names);
  }

  /** The table of the connections, whose cells light up. */
  table(below) {
    const { links, shape } = this.given;
    const rows = below.given.shape[0];
    const cells = Array.from({ length: rows }, () => Array.from({ length: shape[0] }, () => make("td")));
    this.lights = links.map(([map, channel]) => {
      const light = make("i");
      cells[channel][map].append(light, make("span.hidden", { textContent: "linked" }));
      cells[channel][map].className = "linked";
      return light;
    });
    this.columns = Array.from({ length: shape[0] }, (_, n) => [make("th", { scope: "col", textContent: n }), ...cells.map((row) => row[n])]);
    const all = links.length === rows * shape[0];
    const reads = all
      ? `Every map of ${this.given.name} (columns) reads every map of ${below.given.name} (rows).`
      : `${this.given.table_1 ? "Table I of the paper: the" : "The"} maps of ${below.given.name} (rows) that each map of ${this.given.name} (columns) reads.`;
    const text = `${reads} The more a link adds, the stronger its colour.`;
    return make("table.links", {}, make("caption", { textContent: text }),
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, make("span.hidden", { textContent: "map" })), ...this.columns.map((c) => c[0]))),
      make("tbody", {}, ...cells.map((row, n) => make("tr", {}, make("th", { scope: "row", textContent: n }), ...row))));
  }

  /** The ten codes, which stand beside the units of F6. */
  showCodes(codes, classes) {
    this.codes = codes.map((code, n) => {
      const canvas = make("canvas", { role: "img", "aria-label": `Code of ${classes[n]}` });
      const caption = make("figcaption");
      return { code, canvas, caption, name: classes[n], figure: make("figure", {}, canvas, caption) };
    });
    this.paintCodes();
  }

  paintCodes() {
    for (const { code, canvas } of this.codes ?? []) paint(canvas, code, 12, 7, (bit) => signed(bit ? 1 : -1, 1.7159));
  }

  listen() {
    const { canvas } = this.atlas;
    canvas.tabIndex = 0;
    canvas.addEventListener("pointermove", (event) => this.point(this.atlas.at(event)));
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("click", (event) => {
      const place = this.pointed ?? this.atlas.at(event); // a click has whole pixels of the screen, and a move has parts of them
      if (place && this.within(place)) this.take((this.place = place));
    });
    canvas.addEventListener("focus", () => {
      if (canvas.matches(":focus-visible")) this.point(this.place, true);
    });
    canvas.addEventListener("blur", () => this.point(null));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const { map, row, column } = this.place;
    const [rows, columns] = this.size;
    const next = {
      ArrowLeft: { map, row, column: column - 1 }, ArrowRight: { map, row, column: column + 1 },
      ArrowUp: { map, row: row - 1, column }, ArrowDown: { map, row: row + 1, column },
      PageUp: { map: map - 1, row, column }, PageDown: { map: map + 1, row, column },
    }[event.key];
    if (next) {
      const inside = next.map >= 0 && next.map < this.given.maps && next.row >= 0 && next.row < rows && next.column >= 0 && next.column < columns;
      if (inside && this.within(next)) this.place = next;
      this.point(this.place, true);
    } else if (event.key === "Enter" || event.key === " ") this.take(this.place);
    else return;
    event.preventDefault();
  }

  /** Choose a pixel, if it has a number. */
  take(place) {
    if (this.values) this.choose(this, place);
    else say(this.readout, "Nothing is drawn yet, so there are no numbers here.");
  }

  placeOf({ map, row, column }) {
    return (map * this.size[0] + row) * this.size[1] + column;
  }

  /** Whether there is a number at a place: the grid of a vector may have cells without. */
  within(place) {
    return this.placeOf(place) < this.given.shown * (this.vector ? 1 : this.size[0] * this.size[1]);
  }

  /** The number of a pixel. */
  value(place) {
    return this.values?.[this.placeOf(place)];
  }

  /** A pixel as a request names it: a unit of a vector is a map. */
  named({ map, row, column }) {
    return this.vector ? { map: row * this.size[1] + column, row: 0, column: 0 } : { map, row, column };
  }

  /** A pixel in words. */
  title(place) {
    const { map, row, column } = this.named(place);
    const name = this.classes[map] ?? String(map);
    const meant = name === String(map) ? "" : ` (${name})`;
    return this.vector ? `${this.given.name}, unit ${map}${meant}` : `${this.given.name}, map ${map}, row ${row}, column ${column}`;
  }

  /** Show the number of a pixel, or none for null; tell it to those who listen if they went there by keyboard. */
  point(place, told = false) {
    this.pointed = place;
    this.remark();
    const value = place && this.value(place);
    say(this.readout, place && value !== undefined ? `${this.title(place)}: ${words(value)}` : "");
    if (told) speak(this.readout.textContent || `${this.title(place)}. Nothing is drawn yet.`);
  }

  /** Show again which pixels are pointed at, chosen or read. */
  remark() {
    const marks = [...(this.fields ?? [])];
    const around = ({ map, row, column }, kind) => ({ map, top: row, left: column, bottom: row + 1, right: column + 1, kind });
    if (this.chosen) marks.push(around(this.chosen, "chosen"));
    if (this.pointed) marks.push(around(this.pointed, "cursor"));
    this.atlas.mark(marks);
    const column = this.chosen ?? this.pointed;
    this.columns?.forEach((cells, n) => cells.forEach((cell) => cell.classList.toggle("lit", n === column?.map)));
  }

  show(values, strengths, fixed) {
    this.values = values;
    const most = largest(values);
    if (!BOUNDS[this.given.activation]) this.scale = fixed ? Math.max(this.scale, most) : Math.max(most, 0.9 * this.scale);
    const scale = this.scale || 1;
    this.atlas.paint(values, (v) => signed(v, scale));
    if (strengths && this.lights) {
      const top = largest(strengths) || 1;
      this.lights.forEach((light, n) => (light.style.background = lit(strengths[n] / top)));
    }
    if (this.pointed) this.point(this.pointed);
  }

  /** Forget the image. */
  blank() {
    this.values = undefined;
    this.atlas.paint(new Float32Array(this.given.maps * this.size[0] * this.size[1]), () => signed(0, 1));
    this.lights?.forEach((light) => (light.style.background = ""));
    for (const { figure, caption, name } of this.codes ?? []) {
      figure.className = "";
      say(caption, name);
    }
    this.point(null);
  }
}

/** The stages of a network on the page. */
export class Layers {
  /** @param {function} choose  called with a stage and a place of it */
  constructor(choose) {
    this.choose = choose;
    this.stages = [];
    this.input = null;
    this.watcher = new ResizeObserver(() => this.fit());
    this.watcher.observe(byId("stages"));
  }

  /** Show another network. */
  build(description) {
    this.description = description;
    const [rows, columns] = description.input;
    this.input = new Atlas(1, [rows, columns], { label: "The image that the network reads", most: 168, least: 1, still: true });
    byId("input-atlas").replaceChildren(this.input.element);
    say(byId("input-words"), `${rows} × ${columns} grey levels, scaled as in training`);
    this.stages = [];
    for (const [number, given] of description.stages.entries()) {
      const below = this.stages[given.source];
      given.last = number === description.stages.length - 1;
      this.stages.push(new Stage(number, given, below, description.classes, this.choose));
      if (given.codes && below) {
        const { codes } = this.stages[number];
        below.row.append(make("div", {}, make("p.muted.small", { textContent: `The codes, each with its squared distance from ${below.given.name}. The smallest wins.` }),
          make("div.codes", {}, ...codes.map((each) => each.figure))));
      }
    }
    byId("stages").replaceChildren(...this.stages.map((stage) => stage.element));
    this.fit();
    this.blank();
  }

  fit() {
    const width = byId("stages").clientWidth;
    this.input?.fit(Math.min(width, 170));
    for (const stage of this.stages) {
      stage.atlas.fit(width);
      if (stage.names) {
        stage.names.style.gridTemplateColumns = `repeat(${stage.size[1]}, 1fr)`;
        stage.names.style.width = stage.atlas.canvas.style.width;
      }
    }
  }

  /** Show what a look found. */
  show(found, fixed) {
    const { arrays } = found;
    const low = this.description.range[0];
    const span = this.description.range[1] - low;
    this.input.paint(arrays.x, (v) => ink((v - low) / span));
    this.stages.forEach((stage, n) => stage.show(arrays[`stage${n}`], arrays[`links ${stage.given.name}`], fixed));
    for (const stage of this.stages) {
      stage.codes?.forEach(({ figure, caption, name }, n) => {
        figure.className = n === found.best && found.score !== null ? "best" : "";
        say(caption, `${name}: ${Number.isFinite(stage.values[n]) ? Math.round(stage.values[n]) : "–"}`);
      });
    }
  }

  blank() {
    const [rows, columns] = this.description.input;
    this.input.paint(new Float32Array(rows * columns), ink);
    for (const stage of this.stages) stage.blank();
  }

  /** Paint again in other colours. */
  recolour() {
    for (const atlas of [this.input, ...this.stages.map((stage) => stage.atlas)]) if (atlas?.values) atlas.paint(atlas.values, atlas.colour);
    for (const stage of this.stages) stage.paintCodes();
  }

  /** Mark a chosen pixel and its receptive field; nothing for null. */
  mark(chosen, place, said) {
    for (const stage of this.stages) {
      stage.chosen = stage === chosen ? place : null;
      stage.fields = [];
    }
    const fields = said?.fields ?? {};
    const marks = ({ at: [top, left, bottom, right], maps }) => maps.map((map) => ({ map, top, left, bottom, right, kind: "field" }));
    for (const [key, field] of Object.entries(fields)) {
      const stage = this.stages[key];
      if (stage && !stage.vector) stage.fields = marks(field);
    }
    this.input?.mark(fields["-1"] ? marks(fields["-1"]) : []);
    for (const stage of this.stages) stage.remark();
  }
}
