/** Words of programs, tables and records: u32, four bytes apart. */

import { ROW_CHUNKED_PAGES, ROW_FULL_PAGES, ROW_WORDS } from "./abi";

// @ts-ignore: decorator
@inline
export function word(at: usize, index: i32): u32 {
  return load<u32>(at + (<usize>index << 2));
}

/** A word of a row of the step. */
// @ts-ignore: decorator
@inline
export function row_word(rowsAt: usize, row: i32, index: i32): u32 {
  return word(rowsAt, row * ROW_WORDS + index);
}

/** Page that holds block `block` of the row's sequence. */
// @ts-ignore: decorator
@inline
export function page_of(rowsAt: usize, row: i32, chunked: bool, block: u32): u32 {
  return load<u32>(<usize>row_word(rowsAt, row, chunked ? ROW_CHUNKED_PAGES : ROW_FULL_PAGES) + (<usize>block << 2));
}
