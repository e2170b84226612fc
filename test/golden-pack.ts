/** The packed files of goldens: test/golden/README.md says what is in them. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { Tensor } from "./layouts.ts";

export interface PackHeader {
  /** The case whose weights these are, rounded to bfloat16. */
  readonly weights?: string;
  readonly texts: Record<string, string>;
  readonly sha256: Record<string, string>;
  readonly tensors: Record<string, PackedTensor>;
}
interface PackedTensor {
  readonly type: "f32" | "i32" | "i16";
  readonly shape: number[];
  readonly at: number;
  readonly bytes: number;
  /** i16 only: the magnitude of 32767. */
  readonly max?: number;
}

export function readPack(name: string) {
  const file = gunzipSync(readFileSync(fileURLToPath(new URL(`./golden/${name}.gz`, import.meta.url))));
  const dataAt = 4 + file.readUInt32LE(0);
  const header: PackHeader = JSON.parse(file.toString("utf8", 4, dataAt));

  const elements = (tensor: string): Uint8Array<ArrayBuffer> => {
    const { type, at, bytes } = header.tensors[tensor];
    const width = type === "i16" ? 2 : 4;
    const count = bytes / width;
    const out = new Uint8Array(bytes);
    for (let plane = 0, from = dataAt + at; plane < width; plane++)
      for (let i = 0; i < count; i++) out[i * width + plane] = file[from++];
    return out;
  };
  const tensor = (tap: string): Tensor => {
    const { type, shape, max } = header.tensors[tap];
    const { buffer } = elements(tap);
    if (type === "f32") return { shape, data: new Float32Array(buffer) };
    return { shape, data: Float32Array.from(new Int16Array(buffer), (steps) => (steps / 32767) * max!) };
  };
  return {
    header,
    names: () => Object.keys(header.tensors).filter((tap) => !/^long\.|^model|^input_ids$/.test(tap)),
    has: (tap: string) => tap in header.tensors,
    tensor,
    ids: (tap: string) => [...new Int32Array(elements(tap).buffer)],
    gguf: () => Buffer.from(elements("model-f32.gguf").buffer),
  };
}
