import { PAGE } from "../../assembly/abi.ts";
import { orAborted } from "../abortable.ts";
import { EngineError } from "../error.ts";
import type { ErrorCode } from "../error-codes.ts";
import type { CacheType, PageKind } from "../model/plan/pages.ts";
import { hashOf } from "../model/run/fingerprint.ts";
import type { ResidentModel } from "../model/run/resident.ts";
import type { Sequence } from "./sequence.ts";

/**
 * The keys and values of a text in a file, so that another process begins behind it. Little endian, u32:
 *
 *   header   "WMPREFIX", version (1, of 8-bit pages 2), whole blocks of 64 ids, the first block with chunked keys, fingerprint [4]
 *   ids      [blocks x 64], then their hash and that of the header [4]
 *   block    its full page, its hash [4]; from the first such block on its chunked page, its hash [4]
 *
 * A page holds layer after layer, head after head, as the cache has them: of any number of memories, threads, builds. The
 * fingerprint stands for configuration, weights (samples of every matrix), the adapter that it was computed with, and cache type.
 */

const MAGIC = "WMPREFIX";
/** Bytes of 8-bit pages stand in quads since the second. */
const VERSIONS: Record<CacheType, number> = { f32: 1, q8: 2 };
const HEADER_BYTES = 36;
const HASH_BYTES = 16;
const headBytes = (ids: number) => HEADER_BYTES + 4 * ids + HASH_BYTES;

/** What is asked of where the bytes are. */
interface Bytes {
  readonly name: string;
  readonly size: number;
  read(offset: number, into: Uint8Array): Promise<void>;
}

/** The ids that a file can hold. */
export const wholeBlocks = (ids: readonly number[]): number[] => ids.slice(0, ids.length - (ids.length % PAGE));

/** The parts of the file, in order. `sequence` holds the ids and their pages, and is held. */
export function* encodePrefix(resident: ResidentModel, sequence: Sequence): Generator<Uint8Array> {
  const blocks = sequence.computed / PAGE;
  const first = resident.cache.firstChunked(sequence.computed);
  const head = new Uint8Array(headBytes(sequence.computed));
  head.set(new TextEncoder().encode(MAGIC));
  const words = new Uint32Array(head.buffer);
  words.set([VERSIONS[resident.sizes.cache], blocks, first, ...resident.fingerprint(sequence.adapter)], 2);
  words.set(sequence.ids.slice(0, sequence.computed), HEADER_BYTES / 4);
  words.set(hashOf(head.subarray(0, head.length - HASH_BYTES)), (head.length - HASH_BYTES) / 4);
  yield head;
  for (let block = 0; block < blocks; block++) {
    for (const kind of kindsOf(resident, block, first)) {
      const bytes = new Uint8Array(resident.cache.pageBytes[kind] + HASH_BYTES);
      const page = bytes.subarray(0, -HASH_BYTES);
      resident.pages.read(kind, sequence.timeline[kind][block], page);
      bytes.set(new Uint8Array(hashOf(page).buffer), page.length);
      yield bytes;
    }
  }
}

const kindsOf = (resident: ResidentModel, block: number, first: number): PageKind[] =>
  (["full", "chunked"] as const).filter(
    (kind) => resident.cache.pageBytes[kind] > 0 && (kind === "full" || block >= first),
  );

/** The ids that a file is of, computed with `adapter`, everything but its pages checked. Throws PREFIX_FORMAT, PREFIX_MODEL, PREFIX_DATA. */
export async function readPrefixIds(
  resident: ResidentModel,
  source: Bytes,
  adapter: number | null,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const head = new Uint8Array(HEADER_BYTES);
  if (source.size >= HEADER_BYTES) await orAborted(source.read(0, head), signal);
  const words = new Uint32Array(head.buffer);
  const [version, blocks, first] = words.subarray(2);
  const wanted = VERSIONS[resident.sizes.cache];
  const ofAny = new TextDecoder("latin1").decode(head.subarray(0, MAGIC.length)) === MAGIC;
  if (!ofAny || !Object.values(VERSIONS).includes(version))
    throw refuse(source, "PREFIX_FORMAT", "not a file of a prefix", undefined, `${MAGIC}, version ${wanted}`);
  const ours = resident.fingerprint(adapter);
  if (ours.some((word, index) => word !== words[5 + index]))
    throw refuse(source, "PREFIX_MODEL", "the prefix is of another model, or of another type of cache");
  if (version !== wanted)
    throw refuse(source, "PREFIX_FORMAT", "the pages of the prefix lie otherwise", `version ${version}`, `${wanted}`);
  const positions = blocks * PAGE;
  const context = resident.sizes.context;
  if (positions > context)
    throw refuse(source, "CONTEXT_LENGTH", "the prefix is longer than the context", `${positions} ids`, `${context}`);
  let size = headBytes(positions);
  if (first === resident.cache.firstChunked(positions))
    for (let block = 0; block < blocks; block++)
      for (const kind of kindsOf(resident, block, first)) size += resident.cache.pageBytes[kind] + HASH_BYTES;
  if (blocks === 0 || source.size !== size)
    throw refuse(source, "PREFIX_DATA", "the file was cut or altered", `${source.size} bytes`, `${size}`);
  const whole = new Uint8Array(headBytes(positions));
  await orAborted(source.read(0, whole), signal);
  checkHash(source, whole, 0);
  return [...new Uint32Array(whole.buffer, HEADER_BYTES, positions)];
}

/** Reads the pages into those of `sequence`. Throws PREFIX_DATA. */
export async function readPrefixPages(
  resident: ResidentModel,
  source: Bytes,
  sequence: Sequence,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { ids, timeline } = sequence;
  const first = resident.cache.firstChunked(ids.length);
  let offset = headBytes(ids.length);
  const bytes = { full: new Uint8Array(0), chunked: new Uint8Array(0) };
  for (const kind of ["full", "chunked"] as const)
    bytes[kind] = new Uint8Array(resident.cache.pageBytes[kind] + HASH_BYTES);
  for (let block = 0; block * PAGE < ids.length; block++) {
    for (const kind of kindsOf(resident, block, first)) {
      signal?.throwIfAborted();
      await orAborted(source.read(offset, bytes[kind]), signal);
      checkHash(source, bytes[kind], offset);
      resident.pages.write(kind, timeline[kind][block], bytes[kind].subarray(0, -HASH_BYTES));
      offset += bytes[kind].length;
    }
  }
}

function checkHash(source: Bytes, bytes: Uint8Array, offset: number): void {
  const hash = hashOf(bytes.subarray(0, -HASH_BYTES));
  const stored = new Uint32Array(bytes.slice(-HASH_BYTES).buffer);
  if (hash.some((word, index) => word !== stored[index]))
    throw refuse(source, "PREFIX_DATA", `the file was altered behind byte ${offset}`, "other sums", "those stored");
}

function refuse({ name }: Bytes, code: ErrorCode, what: string, actual?: string, limit?: string): EngineError {
  return new EngineError(code, what, { at: { source: "file", file: name }, actual, limit });
}
