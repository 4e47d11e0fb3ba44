// Test digits to try, and those that the network misreads.

import * as api from "./api.js";
import { byId, make, say } from "./dom.js";
import { ink, paint } from "./palette.js";

export class Samples {
  /** @param {function(Uint8Array, number): void} take  called with an image and the time of the event */
  constructor(take) {
    this.take = take;
    this.buttons = [];
  }

  /** Show the digits for a network, unless `wanted` says that it is no longer the one. */
  async build(key, wanted) {
    const found = await api.digits(key);
    if (!wanted()) return;
    const images = found.arrays.images;
    const size = images.shape[1] * images.shape[2];
    this.buttons = found.numbers.map((number, n) => {
      const image = images.slice(n * size, (n + 1) * size);
      const read = found.read[n];
      const label = `Test digit ${number}, ${found.labels[n] === 8 ? "an" : "a"} ${found.labels[n]}${read === null ? "" : `, read as ${read}`}`;
      const canvas = make("canvas");
      const button = make("button", { type: "button", title: label, "aria-label": label, "aria-pressed": "false" }, canvas);
      button.addEventListener("click", (event) => {
        this.press(button);
        this.take(image, event.timeStamp);
      });
      return { button, canvas, image, read };
    });
    this.recolour();
    const wrong = this.buttons.filter(({ read }) => read !== null);
    byId("samples").replaceChildren(...this.buttons.filter(({ read }) => read === null).map(({ button }) => button));
    byId("misread").replaceChildren(...wrong.map(({ button }) => button));
    byId("misread").hidden = !wrong.length;
    byId("misread-title").hidden = !wrong.length;
    say(byId("misread-title"), `Misread by this network, ${wrong.length === 24 ? "the first 24" : wrong.length} of the ${found.tested.toLocaleString("en")} test digits in the package:`);
  }

  press(pressed) {
    for (const { button } of this.buttons) button.setAttribute("aria-pressed", String(button === pressed));
  }

  recolour() {
    for (const { canvas, image } of this.buttons) paint(canvas, image, 28, 28, (level) => ink(level / 255));
  }
}
