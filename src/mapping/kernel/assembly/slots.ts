// The slots: a word for each path of the mapping, with the entry of its value. The first slots are those of what is known of the line
// itself (`$digest`, `$bucket`); the agent fills them.

let pathSlotsAt: usize = 0;
let pathSlotsEnd: usize = 0;

/** @param end with 12 bytes of room behind it. */
export function setSlots(paths: usize, end: usize): void {
  pathSlotsAt = paths;
  pathSlotsEnd = end;
}

export function clearSlots(): void {
  for (let at = pathSlotsAt; at < pathSlotsEnd; at += 16) v128.store(at, i64x2.splat(0));
}

export function clearSlotsBetween(start: usize, end: usize): void {
  for (let at = start; at < end; at += 4) store<u32>(at, 0);
}

/**
 * The first entry in a list of slots; 0 without one. An item of the list is a slot and, for a spelling that other spellings exist of, where
 * the list goes on when the slot has an entry: paths go on below the first spelling that has a value, and not below the others.
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
