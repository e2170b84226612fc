// An ONNX file of one node, written by hand: the few fields of onnx.proto that it takes.

const INT64_ATTRIBUTE = 2;
const FLOAT = 1;
const UINT8 = 2;

/** y = x W, W [cols, outputs] f32. */
export function matmulModel(rows, cols, outputs) {
  const weights = Float32Array.from({ length: cols * outputs }, (_, index) => Math.sin(index * 12.9898) * 0.02);
  const node = message(text(1, "x"), text(1, "w"), text(2, "y"), text(4, "MatMul"));
  return model(node, [tensor("w", FLOAT, [cols, outputs], weights)], rows, cols, outputs);
}

/** The same with 4-bit weights in blocks of 32, activations as 8-bit integers: what q4_0 is here. */
export function matmul4Model(rows, cols, outputs) {
  const blocks = cols / 32;
  const quants = new Uint8Array(outputs * blocks * 16).map((_, index) => (index * 167) & 0xff);
  const scales = new Float32Array(outputs * blocks).fill(0.01);
  const node = message(
    ...["x", "w", "scales"].map((name) => text(1, name)),
    text(2, "y"),
    text(4, "MatMulNBits"),
    ...Object.entries({ K: cols, N: outputs, bits: 4, block_size: 32, accuracy_level: 4 }).map(([name, value]) =>
      bytes(5, message(text(1, name), number(3, value), number(20, INT64_ATTRIBUTE))),
    ),
    text(7, "com.microsoft"),
  );
  const constants = [
    tensor("w", UINT8, [outputs, blocks, 16], quants),
    tensor("scales", FLOAT, [outputs, blocks], scales),
  ];
  return model(node, constants, rows, cols, outputs);
}

function model(node, constants, rows, cols, outputs) {
  const graph = message(
    bytes(1, node),
    text(2, "matmul"),
    ...constants.map((constant) => bytes(5, constant)),
    bytes(11, value("x", [rows, cols])),
    bytes(12, value("y", [rows, outputs])),
  );
  const opset = (domain, version) => bytes(8, message(text(1, domain), number(2, version)));
  return message(number(1, 8), bytes(7, graph), opset("", 17), opset("com.microsoft", 1));
}

function tensor(name, type, shape, data) {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return message(...shape.map((size) => number(1, size)), number(2, type), text(8, name), bytes(9, raw));
}

function value(name, shape) {
  const dims = shape.map((size) => bytes(1, message(number(1, size))));
  return message(text(1, name), bytes(2, message(bytes(1, message(number(1, FLOAT), bytes(2, message(...dims)))))));
}

const message = (...fields) => Buffer.concat(fields);
const number = (field, amount) => Buffer.from([...varint(field << 3), ...varint(amount)]);
const bytes = (field, content) =>
  Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(content.length)]), content]);
const text = (field, words) => bytes(field, Buffer.from(words));

function varint(amount) {
  const low = [];
  for (let rest = amount; rest > 127; rest = Math.floor(rest / 128)) low.push((rest % 128) | 128);
  return [...low, Math.floor(amount / 128 ** low.length)];
}
