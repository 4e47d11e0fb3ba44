// One number taken apart: its terms, its bias and its activation, so that they add up before the reader's eyes.

import { make, say, words } from "./dom.js";
import { largest, paint, signed } from "./palette.js";

const MOST_PARTS = 24; // of a sum that is written out
const SIZE = window.matchMedia("(max-width: 480px)").matches ? 45 : 60; // pixels of the screen that a patch is wide, about

/** A number behind a sign: one below 0 in brackets. */
const bracketed = (value) => words(value).replace(/^−(.*)/, "(−$1)");

/** The panel behind a stage that shows where a number comes from. */
export class Sum {
  /** @param {function} close  called when the panel is to go */
  constructor(close) {
    this.title = make("h4", { id: "sum-title" });
    this.formula = make("p.formula");
    this.then = make("p.formula");
    this.explained = make("p.muted.small");
    this.terms = make("ul.terms");
    this.numbers = make("details.small", {}, make("summary", { textContent: "All numbers" }), make("div.numbers", { tabIndex: 0, role: "group", "aria-label": "All numbers" }));
    this.numbers.addEventListener("toggle", () => this.tables());
    const button = make("button", { type: "button", textContent: "Close" });
    button.addEventListener("click", close);
    this.element = make("section.sum", { "aria-labelledby": "sum-title" },
      make("div.sum-head", {}, this.title, button), this.formula, this.then, this.explained, this.terms, this.numbers);
  }

  /** It in a sentence, for those who listen. */
  get spoken() {
    return `${this.title.textContent}: ${this.formula.textContent}. ${this.then.textContent}`;
  }

  /** Bring its head into the window. */
  reveal() {
    this.explained.scrollIntoView({ block: "nearest" });
  }

  /** Show a number of a stage; `below` is the stage that it reads, undefined for the input. */
  show(stage, title, said, below) {
    Object.assign(this, { said, stage, below });
    say(this.title, `Where ${title} comes from`);
    this.numbers.hidden = this.terms.hidden = !said.terms;
    if (!said.terms) {
      say(this.formula, stage.given.activation ? `a = ${words(said.sum)}` : words(said.sum));
      say(this.then, stage.given.activation ? `${stage.given.activation} = ${words(said.value)}` : "");
      const why = said.products ? `The sum has ${said.products.toLocaleString("en")} products, too many to list.` : "This layer is no sum over a window, so its number is not taken apart here.";
      say(this.explained, `${why} ${this.field()}`);
      return;
    }
    const all = said.terms.map((term) => bracketed(term.sum));
    const parts = all.length > MOST_PARTS ? [...all.slice(0, 3), "…", all.at(-1)] : all;
    const bias = said.bias ? ` ${said.bias < 0 ? "−" : "+"} ${words(Math.abs(said.bias))}` : "";
    const sum = `${parts.length > 1 || bias ? `${parts.join(" + ")}${bias} = ` : ""}${words(said.sum)}`;
    say(this.formula, `${stage.given.activation ? "a = " : ""}${sum}`);
    say(this.then, stage.given.activation ? `${stage.given.activation} = ${words(said.value)}` : "");
    say(this.explained, `${this.explain()} ${this.field()}`);
    this.show_terms();
    this.tables();
  }

  explain() {
    const { given } = this.stage;
    const from = this.below ? this.below.given.name : "the input";
    const bias = this.said.bias ? " and the bias" : "";
    if (given.penalty) return `Each number of ${from} minus the number of the code, squared; the sum is the penalty of this class.`;
    if (given.words.includes("maxima")) return `The largest number of the window: its weight is 1, and that of the others 0.`;
    if (given.words.includes("means")) return `The mean of the window.`;
    const window = given.words.startsWith("each unit reads all") ? `The numbers of ${from}` : `The numbers of ${from} in the window`;
    return `${window}, times the weights; the sum of the products${bias} is ${given.activation ? "a" : "the number"}.`;
  }

  /** What the number depends on. */
  field() {
    const at = this.said.fields["-1"]?.at;
    if (!at) return "";
    const [top, left, bottom, right] = at;
    return `Frames show its receptive field: the maps and pixels that it depends on, ${bottom - top} × ${right - left} pixels of the input.`;
  }

  show_terms() {
    const { terms } = this.said;
    const scales = ["x", "weights", "products"].map((key) => Math.max(...terms.map((term) => largest(term[key].flat()))) || 1);
    while (this.terms.children.length > terms.length) this.terms.lastChild.remove();
    while (this.terms.children.length < terms.length) this.terms.append(this.item());
    terms.forEach((term, n) => {
      const item = this.terms.children[n];
      const [head, parts] = item.children;
      say(head, this.name(term));
      const [rows, columns] = [term.x.length, term.x[0].length];
      [...parts.querySelectorAll("canvas")].forEach((canvas, k) => {
        paint(canvas, term[["x", "weights", "products"][k]].flat(), rows, columns, (v) => signed(v, scales[k]));
        const pixel = Math.max(2, Math.floor(SIZE / Math.max(rows, columns)));
        canvas.style.width = `${pixel * columns}px`;
        canvas.style.height = `${pixel * rows}px`;
      });
      say(parts.children[1], this.stage.given.penalty ? "−" : "×");
      say(parts.children[3], this.stage.given.penalty ? "squared:" : "→");
      say(parts.lastChild, `Σ = ${words(term.sum)}`);
    });
  }

  name(term) {
    if (!this.below) return "Input";
    return this.below.vector ? this.below.given.name : `${this.below.given.name}, map ${term.map}`;
  }

  item() {
    const canvas = (label) => make("canvas", { role: "img", "aria-label": label });
    return make("li", {}, make("span.muted.small"), make("span.parts", {}, canvas("Numbers in the window"), make("span"),
      canvas("Weights"), make("span"), canvas("Products"), make("b")));
  }

  /** Every number, for those who want to add them up, or cannot see the colours. */
  tables() {
    if (!this.numbers.open || !this.said?.terms) return;
    const sign = this.stage.given.penalty ? "−" : "×";
    this.numbers.lastChild.replaceChildren(
      ...this.said.terms.map((term) => make("table", {}, make("caption", { textContent: `${this.name(term)}: number ${sign} weight` }),
        make("tbody", {}, ...term.x.map((row, r) => make("tr", {}, ...row.map((x, c) => make("td", { textContent: `${words(x)} ${sign} ${bracketed(term.weights[r][c])}` }))))))),
    );
  }
}
