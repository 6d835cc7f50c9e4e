// The drawing area: pointer, finger, or arrow keys.
// Whoever wants to know is told of each line: drawn(from, to).

const step = 8; // pixels of the canvas for an arrow key

export class Pad {
  constructor(canvas, drawn = () => {}) {
    this.canvas = canvas;
    this.drawn = drawn;
    this.ink = canvas.getContext('2d');
    this.at = { x: canvas.width / 2, y: canvas.height / 2 };
    canvas.addEventListener('pointerdown', (e) => {
      canvas.setPointerCapture(e.pointerId);
      this.at = this.#place(e);
      this.#to(this.at); // a dot
    });
    canvas.addEventListener('pointermove', (e) => {
      if (e.buttons) this.#to(this.#place(e));
    });
    canvas.addEventListener('keydown', (e) => this.#key(e));
    this.clear();
  }

  clear() {
    this.ink.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  // line draws through points, [x, y, x, y, …].
  line(points, color) {
    this.#pen(color);
    this.ink.beginPath();
    this.ink.moveTo(points[0], points[1]);
    for (let i = 2; i < points.length; i += 2) this.ink.lineTo(points[i] + 0.01, points[i + 1]); // a line without length is not drawn
    this.ink.stroke();
  }

  bird() {
    this.clear();
    const { ink } = this;
    this.#pen();
    ink.save();
    ink.translate(110, 0);
    ink.scale(4, 3.9);
    ink.lineWidth = 1.2;
    for (const d of [
      'M18 33c2-9 12-13 22-9 8 3 14 5 20 3-4 11-15 18-27 17-9-1-16-4-15-11z',
      'M18 33c-1-6-1-12 4-15 4-2 8 0 9 4', 'M17 21C10 22 5 27 4 38', 'M31 44v13m-4 0h8M39 42v15m-4 0h8',
      'M33 33c7 4 16 2 22-3', 'M23 21h.1',
    ]) ink.stroke(new Path2D(d));
    ink.restore();
  }

  // png returns the drawing on a plain ground, as it looks here.
  png() {
    const flat = document.createElement('canvas');
    flat.width = this.canvas.width;
    flat.height = this.canvas.height;
    const ink = flat.getContext('2d');
    ink.fillStyle = getComputedStyle(this.canvas).backgroundColor;
    ink.fillRect(0, 0, flat.width, flat.height);
    ink.drawImage(this.canvas, 0, 0);
    return new Promise((done) => flat.toBlob(done, 'image/png'));
  }

  #pen(color = getComputedStyle(this.canvas).color) {
    this.ink.strokeStyle = color;
    this.ink.lineWidth = 4;
    this.ink.lineCap = this.ink.lineJoin = 'round';
  }

  #place(e) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: Math.round((e.clientX - box.left) * (this.canvas.width / box.width)),
      y: Math.round((e.clientY - box.top) * (this.canvas.height / box.height)),
    };
  }

  #to(place) {
    this.line([this.at.x, this.at.y, place.x, place.y]);
    this.drawn(this.at, place);
    this.at = place;
  }

  #key(e) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (!way) return;
    e.preventDefault();
    const x = Math.min(Math.max(this.at.x + way[0] * step, 0), this.canvas.width);
    const y = Math.min(Math.max(this.at.y + way[1] * step, 0), this.canvas.height);
    if (e.shiftKey) this.at = { x, y };
    else this.#to({ x, y });
  }
}
