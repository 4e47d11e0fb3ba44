// Sliders that move the image or make it noisy before the network reads it.

import { byId, make, say } from "./dom.js";

const SLIDERS = [
  { name: "right", label: "Shift right", min: -10, max: 10, step: 1, zero: 0, unit: " px" },
  { name: "down", label: "Shift down", min: -10, max: 10, step: 1, zero: 0, unit: " px" },
  { name: "rotation", label: "Rotation", min: -90, max: 90, step: 5, zero: 0, unit: "°" },
  { name: "scale", label: "Scale", min: 0.5, max: 1.5, step: 0.05, zero: 1, unit: "" },
  { name: "noise", label: "Noise", min: 0, max: 0.5, step: 0.02, zero: 0, unit: "" },
];

export class Changes {
  /** @param {function(number): void} changed  called with the time of the event */
  constructor(changed) {
    this.inputs = SLIDERS.map((slider) => {
      const { name, label, min, max, step, zero } = slider;
      const input = make("input", { id: `change-${name}`, type: "range", min, max, step, value: zero });
      const output = make("output", { for: input.id });
      input.addEventListener("input", (event) => {
        this.tell(slider, input, output);
        changed(event.timeStamp);
      });
      this.tell(slider, input, output);
      byId("changes").append(make("label", { textContent: label, for: input.id }), input, output);
      return { slider, input, output };
    });
    const reset = make("button", { type: "button", textContent: "Reset" });
    reset.addEventListener("click", (event) => {
      this.reset();
      changed(event.timeStamp);
    });
    byId("changes").append(reset);
    byId("changes").addEventListener("submit", (event) => event.preventDefault());
  }

  tell({ unit, name }, input, output) {
    const value = Number(input.value);
    const text = name === "noise" ? `${Math.round(100 * value)} %` : `${value}${unit}`.replace("-", "−");
    say(output, text);
    input.setAttribute("aria-valuetext", text);
  }

  reset() {
    for (const { slider, input, output } of this.inputs) {
      input.value = slider.zero;
      this.tell(slider, input, output);
    }
  }

  /** What a request says of them. */
  get query() {
    const changed = this.inputs.filter(({ slider, input }) => Number(input.value) !== slider.zero);
    return Object.fromEntries(changed.map(({ slider, input }) => [slider.name, input.value]));
  }
}
