// The drawing pad: strokes by mouse, finger, pen or keyboard, as ink on 128 × 128 pixels that are black or white.

import { byId, speak } from "./dom.js";
import { onColours } from "./palette.js";

const RADIUS = 5.5; // of the pen, in pixels of the pad
const STEP = 4; // of an arrow key
const MOVE = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove"; // the first does not wait for the next frame

export class Pad {
  /**
   * @param {number} side  rows and columns
   * @param {function(number): void} changed  called with the time of the event after every change of the ink
   */
  constructor(side, changed) {
    this.side = side;
    this.changed = changed;
    this.canvas = byId("pad");
    this.canvas.width = this.canvas.height = 3 * side;
    this.paper = this.canvas.getContext("2d");
    this.bits = new Uint8Array((side * side) / 8);
    this.strokes = [];
    this.image = null; // a digit of 28 × 28 in place of a drawing
    this.pointer = null;
    this.pen = { x: side / 2, y: side / 4, down: false, shown: false };
    this.keys = new Set();
    this.listen();
    onColours(() => this.redraw());
  }

  get empty() {
    return this.strokes.length === 0 && this.image === null;
  }

  /** What a request about the drawing carries. */
  get body() {
    return this.image ?? this.bits;
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.pointer !== null) return;
      event.preventDefault();
      canvas.focus({ focusVisible: false });
      canvas.setPointerCapture(event.pointerId);
      this.pointer = event.pointerId;
      this.pen.shown = this.pen.down = false;
      this.begin(this.place(event), event.timeStamp);
    });
    canvas.addEventListener(MOVE, (event) => {
      if (event.pointerId !== this.pointer) return;
      const all = event.getCoalescedEvents?.() ?? [];
      for (const each of all.length ? all : [event]) this.extend(this.place(each));
      this.changed(event.timeStamp);
    });
    const end = (event) => {
      if (event.pointerId === this.pointer) this.pointer = null;
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("keyup", (event) => this.keys.delete(event.key));
    canvas.addEventListener("blur", () => {
      this.keys.clear();
      this.pen.shown = this.pen.down = false;
      this.redraw();
    });
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * this.side, ((event.clientY - box.top) / box.height) * this.side];
  }

  key(event) {
    const { pen } = this;
    if (event.key === " ") {
      pen.down = !pen.down;
      pen.shown = true;
      if (pen.down) this.begin([pen.x, pen.y], event.timeStamp);
      this.redraw();
      this.tell();
    } else if (event.key.startsWith("Arrow") && !event.ctrlKey && !event.metaKey && !event.altKey) {
      this.keys.add(event.key);
      const held = (name) => (this.keys.has(name) ? 1 : 0);
      const step = event.shiftKey ? 3 * STEP : STEP;
      const keep = (v) => Math.min(this.side - RADIUS, Math.max(RADIUS, v));
      pen.x = keep(pen.x + step * (held("ArrowRight") - held("ArrowLeft")));
      pen.y = keep(pen.y + step * (held("ArrowDown") - held("ArrowUp")));
      pen.shown = true;
      if (pen.down) {
        this.extend([pen.x, pen.y]);
        this.changed(event.timeStamp);
      }
      this.redraw();
      this.tell();
    } else if (event.key === "Escape") {
      pen.down = false;
      this.redraw();
      this.tell();
    } else if (event.key === "Delete" || event.key === "Backspace") this.clear(event.timeStamp);
    else if (event.key.toLowerCase() === "z" && !event.shiftKey && (event.ctrlKey || event.metaKey)) this.undo(event.timeStamp);
    else return;
    event.preventDefault();
  }

  /** Tell those who listen where the pen is. */
  tell() {
    const { x, y, down } = this.pen;
    speak(`Pen ${down ? "down" : "up"}, row ${Math.round(y)}, column ${Math.round(x)} of ${this.side}.`);
  }

  begin(point, time) {
    if (this.image) this.wipe();
    this.strokes.push([point]);
    this.ink(point, point);
    this.line(point, point);
    this.changed(time);
  }

  extend(point) {
    const stroke = this.strokes.at(-1);
    const last = stroke.at(-1);
    stroke.push(point);
    this.ink(last, point);
    this.line(last, point);
  }

  /** Blacken the pixels that are no farther from a line than the pen's radius. */
  ink([x0, y0], [x1, y1]) {
    const { side, bits } = this;
    const dx = x1 - x0;
    const dy = y1 - y0;
    const length2 = dx * dx + dy * dy || 1;
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - RADIUS));
    const bottom = Math.min(side - 1, Math.ceil(Math.max(y0, y1) + RADIUS));
    const left = Math.max(0, Math.floor(Math.min(x0, x1) - RADIUS));
    const right = Math.min(side - 1, Math.ceil(Math.max(x0, x1) + RADIUS));
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const px = column + 0.5 - x0;
        const py = row + 0.5 - y0;
        const t = Math.min(1, Math.max(0, (px * dx + py * dy) / length2));
        const ex = px - t * dx;
        const ey = py - t * dy;
        if (ex * ex + ey * ey <= RADIUS * RADIUS) {
          const n = row * side + column;
          bits[n >> 3] |= 128 >> (n & 7);
        }
      }
    }
  }

  /** Show a line of the pen. */
  line([x0, y0], [x1, y1]) {
    const { paper } = this;
    const scale = this.canvas.width / this.side;
    paper.strokeStyle = getComputedStyle(this.canvas).getPropertyValue("--ink");
    paper.lineWidth = 2 * RADIUS * scale;
    paper.lineCap = "round";
    paper.beginPath();
    paper.moveTo(x0 * scale, y0 * scale);
    paper.lineTo(x1 * scale + 0.01, y1 * scale);
    paper.stroke();
  }

  redraw() {
    const { paper, canvas, pen } = this;
    paper.clearRect(0, 0, canvas.width, canvas.height);
    if (this.image) this.showImage();
    for (const stroke of this.strokes) stroke.forEach((point, n) => this.line(stroke[n ? n - 1 : 0], point));
    if (!pen.shown) return;
    const scale = canvas.width / this.side;
    paper.beginPath();
    paper.arc(pen.x * scale, pen.y * scale, (RADIUS + 2) * scale, 0, 7);
    paper.lineWidth = 4;
    paper.setLineDash(pen.down ? [] : [10, 8]);
    paper.strokeStyle = getComputedStyle(canvas).getPropertyValue(pen.down ? "--accent" : "--muted");
    paper.stroke();
    paper.setLineDash([]);
  }

  showImage() {
    const { paper, canvas, image } = this;
    const side = Math.sqrt(image.length);
    const size = canvas.width / side;
    paper.fillStyle = getComputedStyle(canvas).getPropertyValue("--ink");
    image.forEach((level, n) => {
      paper.globalAlpha = level / 255;
      const [x, y] = [n % side, Math.floor(n / side)].map((v) => Math.round(v * size));
      paper.fillRect(x, y, Math.ceil(size), Math.ceil(size));
    });
    paper.globalAlpha = 1;
  }

  /** Take a digit of 28 × 28 grey levels in place of a drawing. */
  take(image, time) {
    this.wipe();
    this.image = image;
    this.redraw();
    this.changed(time);
  }

  wipe() {
    this.bits.fill(0);
    this.strokes = [];
    this.image = null;
    this.paper.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  clear(time) {
    this.wipe();
    this.pen.down = false;
    this.redraw();
    this.changed(time);
  }

  undo(time) {
    const strokes = this.strokes.slice(0, -1);
    this.wipe();
    this.pen.down = false;
    this.strokes = strokes;
    for (const stroke of strokes) stroke.forEach((point, n) => this.ink(stroke[n ? n - 1 : 0], point));
    this.redraw();
    this.changed(time);
  }
}
