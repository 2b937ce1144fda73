// Where things lie in the memory of the kernel, and its smallest steps. All sizes are in bytes, all places are addresses.

/** What the agent reads after a call: words from here on. */
export const answersAt: usize = 4096;
/** Where the composed bytes end. */
export const composedEndAnswer: usize = answersAt;
/** The cell of the derivation that nothing is known of; 0 without one. */
export const missedCellAnswer: usize = answersAt + 4;

/** The digest of the line, written by the agent: its size, 0 for one that is not to be copied, and from 16 bytes on itself. */
export const digestAt: usize = answersAt + 16;

export const shapesMax: u32 = 16_384;
export const shapeSize: usize = 64;
export const shapesAt: usize = answersAt + 4096;

export const branchesMax: u32 = 16_384;
export const branchSize: usize = 64;
export const branchesAt: usize = shapesAt + <usize>shapesMax * shapeSize;

export const keysSize: usize = 524_288;
export const keysAt: usize = branchesAt + <usize>branchesMax * branchSize;

export const tableSlots: u32 = 32_768;
export const keyTableAt: usize = keysAt + keysSize;
export const branchTableAt: usize = keyTableAt + <usize>tableSlots * 4;
export const treeEnd: usize = branchTableAt + <usize>tableSlots * 4;

/** Known texts lie in sets of some places, powers of two. One takes 16 bytes and the text, of so many bytes at most. */
export const knownSets: u32 = 256;
export const placesOfSet: usize = 4;
export const knownTextMax: u32 = 64;
export const knownSize: usize = 80;
export const knownAt: usize = treeEnd;

/** A derivation has so many cells of four words: the numbers of its texts, where its bytes begin, how many they are. */
export const cellSlots: u32 = 1024;
export const cellSize: usize = 16;
export const derivationsMax: u32 = 128;
export const cellsAt: usize = knownAt + <usize>knownSets * placesOfSet * knownSize;

export const partsSize: usize = 1_048_576;
export const partsAt: usize = cellsAt + <usize>derivationsMax * <usize>cellSlots * cellSize;

/** Programs and the texts they need; written by the agent. */
export const programsSize: usize = 1_048_576;
export const programsAt: usize = partsAt + partsSize;

export const composedSize: usize = 262_144;
export const composedAt: usize = programsAt + programsSize;

/** Behind this the agent lays out lines and their tapes. */
export const layoutEnd: usize = composedAt + composedSize;

/** Copies in steps of 16 bytes, forwards: up to 15 bytes behind the source are read, and behind the destination overwritten. */
export function copy(to: usize, from: usize, size: usize): void {
  for (let at: usize = 0; at < size; at += 16) v128.store(to + at, v128.load(from + at));
}

/** True when the bytes are equal; up to 15 bytes behind them are read. */
export function isEqual(one: usize, other: usize, size: usize): bool {
  let at: usize = 0;
  for (; at + 16 <= size; at += 16) {
    if (v128.any_true(v128.xor(v128.load(one + at), v128.load(other + at)))) return false;
  }
  if (at === size) return true;
  const differing = i8x16.bitmask(i8x16.ne(v128.load(one + at), v128.load(other + at)));
  return (differing & ((1 << (<i32>(size - at))) - 1)) === 0;
}
