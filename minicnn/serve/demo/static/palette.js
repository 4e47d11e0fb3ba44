// Numbers as colours: orange below zero, blue above it, paper at zero. These hues differ for colour-blind people, too.

const dark = window.matchMedia("(prefers-color-scheme: dark)");

const LIGHT = { low: [[244, 244, 241], [253, 184, 99], [179, 88, 6], [110, 50, 0]], high: [[244, 244, 241], [126, 178, 221], [11, 92, 173], [4, 40, 90]] };
const DARK = { low: [[32, 36, 42], [118, 62, 14], [206, 112, 30], [255, 164, 74]], high: [[32, 36, 42], [20, 70, 122], [52, 126, 208], [120, 190, 255]] };

const STEPS = 128;

function between(stops, t) {
  const at = t * (stops.length - 1);
  const n = Math.min(Math.floor(at), stops.length - 2);
  return stops[n].map((from, c) => Math.round(from + (stops[n + 1][c] - from) * (at - n)));
}

const rgba = ([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r;

/** Tables of colours as 32-bit pixels: `signed` for −1 … 1 in 2·128 + 1 steps, `ink` for 0 … 1 in 257. */
function tables() {
  const hues = dark.matches ? DARK : LIGHT;
  const signed = new Uint32Array(2 * STEPS + 1);
  for (let n = 0; n <= STEPS; n++) {
    signed[STEPS + n] = rgba(between(hues.high, n / STEPS));
    signed[STEPS - n] = rgba(between(hues.low, n / STEPS));
  }
  const ends = dark.matches ? [[13, 15, 18], [242, 242, 238]] : [[255, 255, 255], [20, 22, 26]];
  const ink = Uint32Array.from({ length: 2 * STEPS + 1 }, (_, n) => rgba(between(ends, n / (2 * STEPS))));
  return { signed, ink };
}

let own = tables();
const told = [];
dark.addEventListener("change", () => {
  own = tables();
  for (const tell of told) tell();
});

/** Be called when the colours are others. */
export const onColours = (tell) => told.push(tell);

/** The colour of a number between −scale and scale. */
export function signed(value, scale) {
  const n = Math.round((value / scale) * STEPS);
  return own.signed[STEPS + (n > STEPS ? STEPS : n < -STEPS ? -STEPS : n || 0)];
}

/** The colour of a share of ink, 0 to 1. */
export function ink(share) {
  const n = Math.round(share * 2 * STEPS);
  return own.ink[n > 2 * STEPS ? 2 * STEPS : n < 0 ? 0 : n || 0];
}

/** Paint numbers into a canvas of as many pixels. */
export function paint(canvas, values, rows, columns, colour) {
  canvas.width = columns;
  canvas.height = rows;
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let n = 0; n < pixels.length; n++) pixels[n] = colour(values[n]);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** The largest size of some numbers. */
export function largest(values) {
  let most = 0;
  for (let n = 0; n < values.length; n++) {
    const size = values[n] < 0 ? -values[n] : values[n];
    if (size > most) most = size;
  }
  return most;
}
