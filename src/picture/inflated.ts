import { damaged } from "./header.ts";

/** Of a PNG: whether its pixels are as many as its header says, before a decoder makes room for however many there are. */

const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

export async function checkInflated(bytes: Uint8Array<ArrayBuffer>, field: string): Promise<void> {
  if (typeof DecompressionStream === "undefined") return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  if (bytes.length < 33) throw damaged(field, "it ends within its header");
  const channels = CHANNELS[view.getUint8(25)];
  if (channels === undefined) throw damaged(field, `a PNG of colour type ${view.getUint8(25)}`);
  // Interlaced pictures have up to seven times as many rows, of fewer pixels.
  const most = 8 * (height + 8) + Math.ceil((width * height * channels * view.getUint8(24)) / 8) + 8 * height;
  let left = most;
  const stream = new DecompressionStream("deflate");
  const reader = stream.readable.getReader();
  const feeding = feed(stream.writable.getWriter(), bytes, view).catch(() => {});
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      left -= (piece.value as Uint8Array).length;
      if (left < 0) throw damaged(field, `more pixels than the ${width} x ${height} of its header`);
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    if (left < 0) throw error;
    // Whatever else is wrong the decoder says.
  } finally {
    await feeding;
  }
}

async function feed(
  writer: WritableStreamDefaultWriter,
  bytes: Uint8Array<ArrayBuffer>,
  view: DataView,
): Promise<void> {
  for (let at = 8; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at);
    // "IDAT"
    if (view.getUint32(at + 4) === 0x49444154) await writer.write(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  await writer.close();
}
