/** Drawings as beholder was shown: 1 to 3 shapes on a plain ground, in sizes that make one tile, strips of tiles and grids. */

import jpeg from "jpeg-js";

export const KINDS = ["circle", "square", "triangle", "star", "cross", "heart"];
export const COLOURS = {
  red: [
    [220, 40, 40],
    [255, 0, 0],
    [200, 20, 30],
  ],
  orange: [
    [245, 140, 30],
    [255, 150, 0],
  ],
  yellow: [
    [250, 215, 50],
    [255, 235, 0],
  ],
  green: [
    [50, 170, 70],
    [0, 128, 0],
    [30, 190, 60],
  ],
  blue: [
    [45, 90, 220],
    [0, 0, 255],
    [30, 110, 240],
  ],
  purple: [
    [140, 60, 180],
    [128, 0, 160],
  ],
  pink: [
    [245, 130, 190],
    [255, 150, 200],
  ],
  black: [
    [30, 30, 30],
    [0, 0, 0],
  ],
};
const GROUNDS = {
  white: [255, 255, 255],
  grey: [190, 190, 190],
  "light blue": [190, 222, 248],
  "light green": [198, 236, 200],
};
const WHITE = "white";
const TILE = 84;
/** Of five pictures: two of one tile as it is, and one of each other kind. */
export const PICTURE_KINDS = ["tile", "one", "strip", "tile", "grid"];

/** Whole numbers, choices and normal deviates out of numbers in [0, 1). */
export class Chance {
  #next;
  constructor(next) {
    this.#next = next;
  }
  below = (limit) => this.#next() * limit;
  between = (from, to) => from + this.#next() * (to - from);
  /** Both ends included. */
  integer = (from, to) => from + Math.floor(this.#next() * (to - from + 1));
  happens = (share) => this.#next() < share;
  pick = (list) => list[Math.floor(this.#next() * list.length)];
  weighted(pairs) {
    let left = this.below(pairs.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [value, weight] of pairs) {
      left -= weight;
      if (left < 0) return value;
    }
    throw new Error("no weights");
  }
  sample(count, limit) {
    const all = Array.from({ length: limit }, (_, i) => i);
    return Array.from({ length: count }, () => all.splice(Math.floor(this.#next() * all.length), 1)[0]);
  }
  normal = () => Math.sqrt(-2 * Math.log(1 - this.#next())) * Math.cos(2 * Math.PI * this.#next());
}

/** Width and height; `gridOf`: the tiles of a picture, [rows, columns]. */
export function sizeOf(chance, kind, gridOf) {
  if (kind === "tile") return [TILE, TILE];
  if (kind === "one") {
    if (!chance.happens(0.5)) return [chance.integer(50, TILE), chance.integer(50, TILE)];
    const side = chance.pick([48, 56, 60, 64, 72, 80]);
    return [side, side];
  }
  for (;;) {
    const short = chance.integer(70, 170);
    let [width, height] = kind === "strip" ? [short, Math.floor(short * chance.between(1.3, 2.2))] : square(chance);
    if (kind === "grid" && chance.happens(0.5)) height = Math.floor(width * chance.between(0.75, 1.33));
    if (chance.happens(0.5)) [width, height] = [height, width];
    const [rows, columns] = gridOf(height, width);
    if (rows * columns > 1 && (rows === 2 && columns === 2) === (kind === "grid")) return [width, height];
  }
}

const square = (chance) => new Array(2).fill(chance.integer(90, 320));

/** Shapes in different cells of a 3 x 3 grid that do not touch; places and radii in pixels. */
export function sceneOf(chance, width, height) {
  const count = chance.weighted([
    [1, 2],
    [2, 4],
    [3, 4],
  ]);
  const side = Math.min(width, height);
  const within = (value, radius, limit) => Math.min(Math.max(value, radius + 1), limit - radius - 1);
  for (;;) {
    const cells = chance.sample(count, 9).sort((a, b) => a - b);
    const shapes = cells.map((cell) => {
      const large = chance.happens(0.5);
      const radius = side * (large ? chance.between(0.155, 0.195) : chance.between(0.092, 0.12));
      const x = (((cell % 3) + 0.5 + chance.between(-0.24, 0.24)) * width) / 3;
      const y = ((Math.floor(cell / 3) + 0.5 + chance.between(-0.24, 0.24)) * height) / 3;
      return {
        ...{
          kind: chance.pick(KINDS),
          colour: chance.pick(Object.keys(COLOURS)),
          size: large ? "large" : "small",
          cell,
        },
        ...{ x: within(x, radius, width), y: within(y, radius, height), radius },
      };
    });
    const apart = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) > (a.radius + b.radius) * 1.08 + 1;
    if (!shapes.every((one, at) => shapes.slice(0, at).every((other) => apart(one, other)))) continue;
    const weights = [5, 2, 2, 2];
    const ground = chance.weighted(Object.keys(GROUNDS).map((name, at) => [name, weights[at]]));
    return { width, height, ground, shapes };
  }
}

const CROSS = 0.32;
/** Corners about the middle, in radii. */
const CORNERS = {
  circle: turned(40, () => 0.95, 0),
  square: [
    [-0.85, -0.85],
    [0.85, -0.85],
    [0.85, 0.85],
    [-0.85, 0.85],
  ],
  triangle: [
    [0, -1],
    [1, 0.85],
    [-1, 0.85],
  ],
  star: turned(10, (at) => (at % 2 === 0 ? 1.08 : 0.45), -Math.PI / 2),
  cross: [
    ...[
      [-CROSS, -1],
      [CROSS, -1],
      [CROSS, -CROSS],
      [1, -CROSS],
      [1, CROSS],
      [CROSS, CROSS],
    ],
    ...[
      [CROSS, 1],
      [-CROSS, 1],
      [-CROSS, CROSS],
      [-1, CROSS],
      [-1, -CROSS],
      [-CROSS, -CROSS],
    ],
  ],
  heart: Array.from({ length: 36 }, (_, at) => {
    const a = (2 * Math.PI * at) / 36;
    const down = 13 * Math.cos(a) - 5 * Math.cos(2 * a) - 2 * Math.cos(3 * a) - Math.cos(4 * a) + 2;
    return [(16 * Math.sin(a) ** 3) / 16.5, -down / 15.5];
  }),
};

function turned(count, distance, from) {
  return Array.from({ length: count }, (_, at) => {
    const angle = from + (2 * Math.PI * at) / count;
    return [distance(at) * Math.cos(angle), distance(at) * Math.sin(angle)];
  });
}

/** Samples of a pixel's side. */
const FINE = 3;

/** RGBA; each pixel is the mean of 3 x 3 samples. Colours jitter, most pictures are slightly noisy, some went through JPEG. */
export function draw(chance, { width, height, ground, shapes }) {
  const jitter = (colour, by) =>
    colour.map((value) => Math.floor(Math.min(255, Math.max(0, value + chance.between(-by, by)))));
  const plain = ground === WHITE && chance.happens(0.7);
  const paper = plain ? GROUNDS[ground] : jitter(GROUNDS[ground], 7);
  const [across, down] = [width * FINE, height * FINE];
  const fine = new Uint8Array(across * down).fill(0);
  const colours = [paper];
  for (const { kind, colour, x, y, radius } of shapes) {
    const turn = chance.happens(0.3) ? 0 : chance.between(-0.2, 0.2);
    const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
    const corners = CORNERS[kind].map(([u, v]) => [
      (x + radius * (u * cos - v * sin)) * FINE,
      (y + radius * (u * sin + v * cos)) * FINE,
    ]);
    fill(fine, across, down, corners, colours.push(jitter(chance.pick(COLOURS[colour]), 14)) - 1);
  }
  const data = Buffer.alloc(width * height * 4, 255);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const sum = [0, 0, 0];
    for (let sample = 0; sample < FINE * FINE; sample++) {
      const row = Math.floor(pixel / width) * FINE + Math.floor(sample / FINE);
      const colour = colours[fine[row * across + (pixel % width) * FINE + (sample % FINE)]];
      for (let channel = 0; channel < 3; channel++) sum[channel] += colour[channel];
    }
    for (let channel = 0; channel < 3; channel++) data[pixel * 4 + channel] = Math.round(sum[channel] / FINE ** 2);
  }
  if (chance.happens(0.6)) {
    const strength = chance.between(1, 6);
    for (let at = 0; at < data.length; at++)
      if (at % 4 !== 3) data[at] = Math.min(255, Math.max(0, Math.floor(data[at] + strength * chance.normal() + 0.5)));
  }
  if (!chance.happens(0.12)) return { width, height, data };
  return jpeg.decode(jpeg.encode({ width, height, data }, chance.integer(70, 95)).data, { useTArray: true });
}

/** Samples whose middle lies inside, by the even-odd rule. */
function fill(samples, across, down, corners, value) {
  for (let row = 0; row < down; row++) {
    const y = row + 0.5;
    const crossings = corners.flatMap(([x0, y0], at) => {
      const [x1, y1] = corners[(at + 1) % corners.length];
      return y0 <= y === y1 <= y ? [] : [x0 + ((y - y0) * (x1 - x0)) / (y1 - y0)];
    });
    crossings.sort((a, b) => a - b);
    for (let at = 0; at + 1 < crossings.length; at += 2)
      for (let x = Math.max(0, Math.ceil(crossings[at] - 0.5)); x < across && x + 0.5 < crossings[at + 1]; x++)
        samples[row * across + x] = value;
  }
}
