// The slots: one word per path of the mapping, which holds the entry of its value. Properties of the line itself (`$digest`, `$bucket`) have
// slots too, which the host fills.

import { Header, header } from './layout';

/** The slots of paths; 12 bytes after them are reserved. */
export function clearSlots(): void {
  const end = header(Header.SlotsEnd);
  for (let at = header(Header.Slots); at < end; at += 16) v128.store(at, i64x2.splat(0));
}

export function clearSlotsBetween(start: usize, end: usize): void {
  for (let at = start; at < end; at += 4) store<u32>(at, 0);
}

/**
 * The first entry in a list of slots; 0 without one. Each slot is followed by 0, or by the list to continue with if the slot holds an entry: a
 * path continues below the first spelling that has a value, and only there.
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
