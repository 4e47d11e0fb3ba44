// The answer: the class, its scores, whether it is rejected, and a sentence for those who listen.

import { byId, make, say, words } from "./dom.js";

const QUIET = 700; // milliseconds after the last change until the answer is spoken

export class Answer {
  build(description) {
    this.description = description;
    const { classes, kind } = description;
    this.rows = classes.map((name) => {
      const bar = make("span");
      const number = make("span.number");
      return { bar, number, item: make("li", {}, make("span", { textContent: name }), make("span.bar", {}, bar), number) };
    });
    byId("scores").replaceChildren(...this.rows.map((row) => row.item));
    byId("scores").tabIndex = classes.length > 12 ? 0 : -1;
    const note = {
      penalty: "Penalties: squared distances from the codes. The smallest one wins.",
      probability: "Probabilities, from the softmax of the outputs.",
      score: "Outputs of the network. The largest one wins.",
    };
    const why = description.run ? "while it learns" : "as limits are known for networks of the ten digits only";
    say(byId("scores-note"), note[kind] + (description.rules ? "" : ` No answer is rejected, ${why}.`));
    this.blank();
  }

  blank() {
    say(byId("digit"), "–");
    byId("digit").className = "digit";
    say(byId("verdict"), "Nothing is drawn yet.");
    for (const { bar, number, item } of this.rows) {
      bar.style.transform = "scaleX(0)";
      say(number, "");
      item.className = "";
    }
    this.speak("");
  }

  /** Say why there is no answer. */
  fail(text) {
    this.blank();
    say(byId("verdict"), text);
  }

  show({ best, second, score, margin, rejected, arrays }) {
    const { classes, kind, rules } = this.description;
    const { scores } = arrays;
    const shown = (v) => (!Number.isFinite(v) ? words(v) : kind === "probability" ? `${(100 * v).toFixed(1)} %` : kind === "penalty" ? v.toFixed(1) : words(v));
    const most = kind === "penalty" ? Math.max(...scores) || 1 : kind === "probability" ? 1 : Math.max(1.2, ...scores);
    this.rows.forEach(({ bar, number, item }, n) => {
      bar.style.transform = `scaleX(${Math.min(1, Math.max(0, scores[n] / most || 0)).toFixed(3)})`;
      say(number, shown(scores[n]));
      item.className = n === best && rejected !== "infinite" ? "best" : "";
    });
    const name = classes[best];
    say(byId("digit"), rejected === "infinite" ? "–" : name);
    byId("digit").className = `digit ${rejected ? "rejected" : "said"}${name.length > 2 ? " long" : ""}`;
    const what = { penalty: "penalty", probability: "probability", score: "output" }[kind];
    const next = `next is ${classes[second]} with ${shown(scores[second])}`;
    const reasons = {
      unlike: () => `Rejected: it looks like no class. The best is ${name}, ${what} ${shown(score)}; ${kind === "penalty" ? `at most ${shown(-rules.least)}` : `at least ${shown(rules.least)}`} is asked.`,
      infinite: () => "No answer: the network’s outputs are not finite numbers, as after a training with too high a learning rate.",
      close: () => `Rejected: ${name} and ${classes[second]} are too close, ${shown(margin)} apart; ${shown(rules.margin)} is asked.`,
    };
    const text = rejected ? reasons[rejected]() : `It reads ${name}, ${what} ${shown(score)}; ${next}.`;
    say(byId("verdict"), text);
    this.speak(text);
  }

  speak(text) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => say(byId("spoken"), text), QUIET);
  }
}
