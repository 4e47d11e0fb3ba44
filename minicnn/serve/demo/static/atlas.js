// All maps of a layer side by side in one canvas: a pixel of a map is a pixel of the canvas, and CSS makes it larger.

import { make } from "./dom.js";

const GAP = 1; // pixels between maps

export class Atlas {
  /**
   * @param {number} maps  how many
   * @param {number[]} size  rows and columns of a map
   * @param {Object} given  `most` and `least` for a map's width on the screen, `label` for those who do not see it
   */
  constructor(maps, [rows, columns], { label, most = 84, least = 56, still = false }) {
    Object.assign(this, { maps, rows, columns, most, least });
    this.canvas = make("canvas", { "aria-label": label, role: still ? "img" : "application" });
    this.marks = make("div");
    this.element = make(still ? "div.atlas.still" : "div.atlas", {}, this.canvas, this.marks);
    this.across = 0;
    this.marked = [];
  }

  /** Fit the maps into a width; true where their places are others than before. */
  fit(width) {
    const { maps, rows, columns } = this;
    let across = 1;
    let scale = 1;
    for (let n = Math.min(maps, 16); n >= 1; n--) {
      if (maps % n && n !== Math.ceil(Math.sqrt(maps))) continue;
      const room = Math.floor(width / (n * (columns + GAP)));
      scale = Math.max(1, Math.min(room, Math.floor(this.most / columns) || 1));
      across = n;
      if (room >= 1 && scale * columns >= Math.min(this.least, this.most - columns)) break;
    }
    scale = Math.min(scale, width / (across * (columns + GAP) - GAP)); // a map may have more pixels than the window
    if (across === this.across && scale === this.scale) return false;
    this.across = across;
    this.scale = scale;
    const down = Math.ceil(maps / across);
    this.canvas.width = across * (columns + GAP) - GAP;
    this.canvas.height = down * (rows + GAP) - GAP;
    this.canvas.style.width = `${this.canvas.width * scale}px`;
    this.canvas.style.height = `${this.canvas.height * scale}px`;
    this.image = new ImageData(this.canvas.width, this.canvas.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.paper = this.canvas.getContext("2d");
    if (this.values) this.paint(this.values, this.colour);
    this.mark(this.marked);
    return true;
  }

  /** Paint the maps, one number a pixel. */
  paint(values, colour) {
    this.values = values;
    this.colour = colour;
    if (!this.pixels) return;
    const { maps, rows, columns, across, pixels } = this;
    const wide = this.canvas.width;
    const count = rows * columns;
    const end = values.length;
    for (let m = 0; m < maps; m++) {
      const start = Math.floor(m / across) * (rows + GAP) * wide + (m % across) * (columns + GAP);
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          const n = m * count + r * columns + c;
          if (n < end) pixels[start + r * wide + c] = colour(values[n]);
        }
      }
    }
    this.paper.putImageData(this.image, 0, 0);
  }

  /** The pixel under a point of the window, or null between maps. */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * this.canvas.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * this.canvas.height);
    const [column, row] = [x % (this.columns + GAP), y % (this.rows + GAP)];
    const map = Math.floor(y / (this.rows + GAP)) * this.across + Math.floor(x / (this.columns + GAP));
    if (x < 0 || y < 0 || column >= this.columns || row >= this.rows || map >= this.maps) return null;
    return { map, row, column };
  }

  /** Put frames around rectangles: {map, top, left, bottom, right, kind}. */
  mark(marked) {
    this.marked = marked;
    this.marks.replaceChildren(
      ...marked.filter(({ map }) => map < this.maps).map(({ map, top, left, bottom, right, kind }) => {
        const x = ((map % this.across) * (this.columns + GAP) + left) * this.scale;
        const y = (Math.floor(map / this.across) * (this.rows + GAP) + top) * this.scale;
        const element = make(`div.mark.${kind}`);
        Object.assign(element.style, {
          left: `${x}px`, top: `${y}px`, width: `${(right - left) * this.scale}px`, height: `${(bottom - top) * this.scale}px`,
        });
        return element;
      }),
    );
  }
}
