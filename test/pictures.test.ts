/**
 * Pictures: what the processor makes of them against transformers', beholder's answers about them, every form that a picture may be given
 * in, and bad ones.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChatMessage, loadModel, type Model } from "../dist/src/index.js";
import { run as command } from "../scripts/command.mjs";
import type { Processor } from "../src/picture/canvas.ts";
import { readPicture } from "../src/picture/given.ts";
import { tilePicture } from "../src/picture/tiles.ts";
import { run } from "./command-line.ts";
import { codeOf } from "./error-code.ts";
import { readPack } from "./golden-pack.ts";
import { asGif, asJpeg, asOpaquePng, asPng, asWebp } from "./picture-files.ts";

const file = (name: string) =>
  Uint8Array.from(readFileSync(fileURLToPath(new URL(`./golden/pictures/${name}`, import.meta.url))));
const BEHOLDER = fileURLToPath(new URL("../models/beholder", import.meta.url));

const HALF = [0.5, 0.5, 0.5];
const processorOf = (tileSize: number, maxTiles = 16): Processor => ({
  ...{ tileSize, maxTiles, toMaxCanvas: false, rescale: 1 / 255, mean: HALF, deviation: HALF },
});

describe("the processor", () => {
  /** The picture that transformers' processor was given. */
  const drawn = (height: number, width: number) => {
    const data = new Uint8Array(width * height * 4).fill(255);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (let c = 0; c < 3; c++)
          data[(y * width + x) * 4 + c] =
            Math.floor((x * x * (c + 1)) / 16) + 5 * y * (3 - c) + Math.floor((x * y) / 8);
    return { width, height, data };
  };
  const pack = readPack("vision-images");
  const cases: {
    key: string;
    tile: number;
    height: number;
    width: number;
    grid: number[];
    tiles: number;
    mean: number[];
  }[] = JSON.parse(pack.header.texts["images.json"]);

  it.each(cases)("$key: grid, tiles and means equal, values within 0.016, nearly all of them equal", (golden) => {
    const { canvas, tiles } = tilePicture(drawn(golden.height, golden.width), processorOf(golden.tile));
    expect([canvas.rows, canvas.columns]).toEqual(golden.grid);
    expect(tiles.length).toBe(golden.tiles);
    for (const [index, tile] of tiles.entries())
      expect(Math.abs(tile.reduce((sum, value) => sum + value / tile.length, 0) - golden.mean[index])).toBeLessThan(
        1e-3,
      );
    const whole = pack.has(golden.key);
    const { shape, data } = pack.tensor(whole ? golden.key : `${golden.key}.crop`);
    const [, , rows, columns] = shape;
    const first = whole ? [0, 0] : [100, 200];
    let [largest, apart] = [0, 0];
    for (let i = 0; i < data.length; i++) {
      const [tile, channel] = [Math.floor(i / (3 * rows * columns)), Math.floor(i / (rows * columns)) % 3];
      const [y, x] = [first[0] + (Math.floor(i / columns) % rows), first[1] + (i % columns)];
      const difference = Math.abs(tiles[tile][(channel * golden.tile + y) * golden.tile + x] - data[i]);
      largest = Math.max(largest, difference);
      apart += Number(difference > 1e-3);
    }
    expect(largest).toBeLessThan(0.016);
    expect(apart / data.length).toBeLessThan(0.01);
  });

  it("canvases of the released models, whose grids of up to 16 tiles transformers chose", () => {
    const grid = (height: number, width: number) => {
      const { rows, columns } = tilePicture(
        { width, height, data: new Uint8Array(width * height * 4) },
        processorOf(336),
      ).canvas;
      return [rows, columns];
    };
    expect(grid(337, 336)).toEqual([2, 1]);
    expect(grid(1080, 1920)).toEqual([3, 5]);
    expect(grid(1, 3000)).toEqual([1, 9]);
  });
});

const ask = (image: unknown, question: string): ChatMessage[] => [
  {
    role: "user",
    content: [
      { type: "image", image },
      { type: "text", text: question },
    ],
  },
];

describe("beholder", () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(BEHOLDER, { threads: 2, context: 512 });
  });
  afterAll(() => model.dispose());
  const pictures: { file: string; grid: number[]; questions: { question: string; ids: number[]; answer: string }[] }[] =
    JSON.parse(new TextDecoder().decode(file("answers.json")));

  it.each(pictures)("$file: ids and answers equal transformers'", async ({ file: name, questions }) => {
    for (const { question, ids, answer } of questions) {
      const messages = ask(file(name), question);
      expect(model.render(messages).ids).toEqual(ids);
      expect(model.countTokens(messages)).toBe(ids.length);
      const { text, usage } = await model.chat(messages, { temperature: 0 }).result();
      expect(text).toBe(answer);
      expect(usage.promptTokens).toBe(ids.length);
    }
  });

  it("one picture, given in every form and kind of file, gets one answer", async () => {
    const png = file("02-84x84.png");
    const { answer, question } = pictures.find(({ file: name }) => name === "02-84x84.png")!.questions[0];
    const { width, height, data } = await readPicture(png, "");
    const url = (bytes: Uint8Array) => `data:image/png;base64,${Buffer.from(bytes).toString("base64")}`;
    const pixels = { width, height, data };
    const forms: unknown[] = [
      ...[png, png.buffer, new Blob([png]), url(png), pixels, { width, height, data: [...data] }],
      ...[asOpaquePng(pixels), asPng(pixels, 16), asJpeg(pixels), asGif(pixels), await asWebp(pixels)],
    ];
    for (const image of forms)
      expect((await model.chat(ask(image, question), { temperature: 0 }).result()).text).toBe(answer);
  });

  it("EXIF turns a picture: the answer is that of the upright one", async () => {
    const { answer, question } = pictures.find(({ file: name }) => name === "09-168x84.png")!.questions[0];
    const upright = await readPicture(file("09-168x84.png"), "");
    // As a camera that was held on its side stores it.
    const stored = { width: upright.height, height: upright.width, data: new Uint8Array(upright.data.length) };
    for (let y = 0; y < stored.height; y++)
      for (let x = 0; x < stored.width; x++)
        for (let c = 0; c < 4; c++)
          stored.data[(y * stored.width + x) * 4 + c] =
            upright.data[((stored.width - 1 - x) * upright.width + y) * 4 + c];
    const messages = ask(asJpeg(stored, 8), question);
    expect(model.countTokens(messages)).toBe(model.countTokens(ask(upright, question)));
    expect((await model.chat(messages, { temperature: 0 }).result()).text).toBe(answer);
  });

  it("several questions about one picture: it goes through the tower once, and its positions are known", async () => {
    const image = file("08-300x300.png");
    const first = await model.chat(ask(image, "What do you see?"), { temperature: 0 }).result();
    const second = await model.chat(ask(image, "What do you see?"), { temperature: 0 }).result();
    expect(second.text).toBe(first.text);
    expect(second.usage.cachedTokens).toBeGreaterThan(60);
  });

  it("the command line shows a picture to it: --image, beside --chat and -p", async () => {
    const { question, answer } = pictures.find(({ file: name }) => name === "13-84x84.jpg")!.questions[0];
    const jpg = fileURLToPath(new URL("./golden/pictures/13-84x84.jpg", import.meta.url));
    const asked = await run(
      BEHOLDER,
      "--chat",
      "--image",
      jpg,
      "-p",
      question,
      "--temperature",
      "0",
      "--context",
      "512",
    );
    expect(asked.stdout.trim()).toBe(answer);
    const missing = await run(BEHOLDER, "--chat", "--image", "none.png", "-p", question);
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining("none.png")]);
    const alone = await run(BEHOLDER, "--image", jpg, "-p", question);
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining("--chat")]);
  });

  it("the lines of docs/api.md describe a picture", () => {
    const place = (path: string) => fileURLToPath(new URL(path, import.meta.url));
    const docs = readFileSync(place("../docs/api.md"), "utf8");
    const lines = /## Pictures\s+```js\n([\s\S]+?)```/.exec(docs)![1];
    const program = lines
      .replace('"wasmaverick"', JSON.stringify(new URL("../dist/src/index.js", import.meta.url).href))
      .replace('"models/beholder"', JSON.stringify(BEHOLDER))
      .replace('"picture.png"', JSON.stringify(place("./golden/pictures/02-84x84.png")));
    const said = execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
    expect(said.trim()).toBe(pictures.find(({ file: name }) => name === "02-84x84.png")!.questions[0].answer);
  });

  it("without a tower, or with what is no picture: typed errors, before anything runs where they can be known", async () => {
    const blind = await loadModel(BEHOLDER, { threads: 0, context: 256, vision: false });
    expect(await codeOf(() => blind.chat(ask(file("02-84x84.png"), "?")))).toBe("VISION_MISSING");
    await blind.dispose();
    for (const image of [
      7,
      "cat.png",
      "https://example.org/cat.png",
      null,
      {},
      new Uint8Array(9),
      "data:image/png;base64,AAAA",
    ])
      expect(await codeOf(() => model.chat(ask(image, "?")))).toBe("PICTURE_KIND");
    expect(await codeOf(() => model.countTokens(ask(new Blob([file("02-84x84.png")]), "?")))).toBe(
      "REQ_UNSUPPORTED_CONTENT",
    );
    const long = ask(file("08-300x300.png"), "?");
    const small = await loadModel(BEHOLDER, { threads: 0, context: 48 });
    expect(await codeOf(() => small.chat(long).result())).toBe("CONTEXT_LENGTH");
    await small.dispose();
  });
});

describe("the colours of a JPEG are Pillow's within 3", () => {
  const PATCHES = [
    [220, 40, 40],
    [50, 170, 70],
    [45, 90, 220],
    [250, 215, 50],
    [30, 30, 30],
    [255, 255, 255],
  ];
  const ADOBE = { at: 2, bytes: 16, transform: 15 };
  /** Adobe's marker says nothing else; null: without it. */
  const told = (name: string, transform: number | null) => {
    const bytes = file(name);
    if (transform === null)
      return Uint8Array.from([...bytes.subarray(0, ADOBE.at), ...bytes.subarray(ADOBE.at + ADOBE.bytes)]);
    bytes[ADOBE.at + ADOBE.transform] = transform;
    return bytes;
  };
  const YCCK = [
    [158, 0, 191],
    [255, 178, 131],
    [81, 255, 255],
    [114, 0, 0],
    [255, 121, 255],
    [0, 134, 0],
  ];
  const YCC = [
    [97, 255, 64],
    [0, 77, 124],
    [174, 0, 0],
    [141, 255, 255],
    [0, 134, 0],
    [255, 121, 255],
  ];

  it.each([
    ["CMYK, inverted as Adobe's marker means", "cmyk.jpg", 0, PATCHES],
    ["four planes without a marker", "cmyk.jpg", null, PATCHES],
    ["YCCK", "cmyk.jpg", 2, YCCK],
    ["RGB by Adobe's marker", "rgb.jpg", 0, PATCHES],
    ["planes named R, G, B without a marker", "rgb.jpg", null, PATCHES],
    ["YCbCr by Adobe's marker", "rgb.jpg", 1, YCC],
  ])("%s", async (_, name, transform, wanted) => {
    const { width, height, data } = await readPicture(told(name, transform), "image");
    expect([width, height]).toEqual([48, 8]);
    for (const [patch, colour] of wanted.entries())
      for (const [channel, value] of colour.entries())
        expect(Math.abs(data[(4 * 48 + patch * 8 + 4) * 4 + channel] - value)).toBeLessThanOrEqual(3);
  });
});

describe("bad pictures", () => {
  const FIELD = "image";

  it("too many pixels, an empty side, a side of 100,000: refused by the header alone", async () => {
    const sized = (width: number, height: number) => {
      const png = file("02-84x84.png");
      new DataView(png.buffer).setUint32(16, width);
      new DataView(png.buffer).setUint32(20, height);
      return png;
    };
    for (const [width, height, code] of [
      [60_000, 60_000, "PICTURE_LIMIT"],
      [1, 100_000, "PICTURE_LIMIT"],
      [0, 84, "PICTURE_DATA"],
    ] as const)
      await expect(readPicture(sized(width, height), FIELD)).rejects.toMatchObject({ code });
    for (const pixels of [
      { width: 0, height: 4, data: [] },
      { width: 4, height: 4, data: [1] },
    ])
      await expect(readPicture(pixels, FIELD)).rejects.toMatchObject({ code: "PICTURE_DATA" });
  });

  it("a PNG that inflates to more than its header says: refused before it is decoded", async () => {
    const large = encode({ width: 4000, height: 4000, data: new Uint8Array(48_000_000), channels: 3 });
    new DataView(large.buffer, large.byteOffset).setUint32(16, 10);
    new DataView(large.buffer, large.byteOffset).setUint32(20, 10);
    await expect(readPicture(large, FIELD)).rejects.toThrow("more pixels than the 10 x 10 of its header");
  });

  it("PNG, JPEG, WebP and GIF, 100 of each changed or cut: read, or refused by a typed error, in time and memory", async () => {
    const seed = Date.now() % 2 ** 31;
    console.log(`pictures: seed ${seed}`);
    const script = fileURLToPath(new URL("../scripts/picture-fuzz.mjs", import.meta.url));
    const said = await command(process.execPath, [script, "--count", "100", "--seed", `${seed}`], { limitMs: 55_000 });
    expect(said).toContain("every promise is kept");
  });
});
