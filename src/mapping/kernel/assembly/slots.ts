// The slots: a word for each path of the mapping, with the entry of its value. The first slots are those of what is known of the line
// itself (`$digest`, `$bucket`); the agent fills them.

import { Header, header } from './memory';

/** Of the paths. There are 12 bytes of room behind them. */
export function clearSlots(): void {
  const end = header(Header.SlotsEnd);
  for (let at = header(Header.Slots); at < end; at += 16) v128.store(at, i64x2.splat(0));
}

export function clearSlotsBetween(start: usize, end: usize): void {
  for (let at = start; at < end; at += 4) store<u32>(at, 0);
}

/**
 * The first entry in a list of slots; 0 without one. Each slot of the list is followed by 0, or by the list that goes on from it when it has
 * an entry: paths go on below the first spelling with a value, and not below the others.
 */
export function find(list: usize): usize {
  let item = list;
  while (true) {
    const slot: usize = load<u32>(item);
    if (slot === 0) return 0;
    const entry: usize = load<u32>(slot);
    if (entry === 0) {
      item += 8;
      continue;
    }
    const next: usize = load<u32>(item, 4);
    if (next === 0) return entry;
    item = next;
  }
}
