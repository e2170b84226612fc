/** Small safetensors files for tests: from tensors, or from a header's text that may be wrong. */

export interface SafeTensor {
  dtype: string;
  shape: number[];
  data: Uint8Array;
}

export function writeSafetensors(tensors: Record<string, SafeTensor>): Uint8Array {
  let offset = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.length] };
    offset += data.length;
  }
  return rawSafetensors(JSON.stringify(header), ...Object.values(tensors).map(({ data }) => data));
}

export function rawSafetensors(header: string | Uint8Array, ...data: Uint8Array[]): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const length = new Uint8Array(BigUint64Array.of(BigInt(text.length)).buffer);
  return new Uint8Array(Buffer.concat([length, text, ...data]));
}

/** One header entry. */
export function entry(
  name: string,
  begin: number | string,
  end: number | string,
  dtype = "F32",
  shape = "[1]",
): string {
  return `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;
}
