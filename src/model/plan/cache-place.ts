import type { CachePlace } from "../../runtime/ops.ts";
import type { ModelConfig } from "../config/config.ts";
import type { Layout, PackedLayer, Sizes } from "./layout.ts";
import { cacheStreams, cacheWord, pageLayerBytes } from "./pages.ts";

/** Where the layer's keys and values lie in the pages of its kind. */
export function cachePlace(config: ModelConfig, layout: Layout, sizes: Sizes, layer: PackedLayer): CachePlace {
  const chunked = config.layers[layer.index].chunked;
  const kind = chunked ? "chunked" : "full";
  const before = config.layers
    .slice(layout.range.from, layer.index)
    .filter((other) => other.chunked === chunked).length;
  const pages = sizes.pages[kind];
  const pageBytes = pageLayerBytes(config, sizes.cache) / config.kvHeads;
  return {
    chunked,
    type: cacheWord(sizes.cache, sizes.dot),
    at: layout.cacheAt[kind].at + before * config.kvHeads * pages * pageBytes,
    // The pages of a head lie side by side: a long sequence is read as one stretch (2,048 positions: 13 -> 20 GB/s).
    pageBytes,
    headBytes: pages * pageBytes,
    pages,
    tableBlocks: sizes.blocks,
    streams: cacheStreams(sizes.cache, sizes.ahead),
  };
}
