// Keeps the names in a map distinct for backends that flatten maps: Loki turns `a.b`, `a-b` and a `b` inside `a` all into `a_b`, and keeps one
// of them. The flat name joins the names from the map down and replaces every run of characters other than letters and digits with one `_`
// (github.com/prometheus/otlptranslator, LabelNamer).
import { copy, Header, header, isEqual } from './layout';
import { endScratch, takeScratch } from './tape';
import { isDigit } from './tokens';
import { writeDigits } from './values';

// A taken flat name: the address of the next one in its bucket, its size and its bytes.
const bucketCount: usize = 256;
const takenNext: usize = 0;
const takenSize: usize = 4;
const takenBytes: usize = 8;

/** The flat name of the container that is being written. */
let outerStart: usize = 0;
let outerSize: usize = 0;
/** The flat name made last. */
let flatStart: usize = 0;
let flatSize: usize = 0;

/** The name to write. */
export let nameStart: usize = 0;
export let nameEnd: usize = 0;

export function startNames(): void {
  memory.fill(header(Header.NameBuckets), 0, bucketCount << 2);
  outerSize = 0;
}

/** Finds the name to write: the key, or the key with the suffix `_2`, `_3` and so on. False on overflow. */
export function distinctName(key: usize, keySize: usize): bool {
  nameStart = key;
  nameEnd = key + keySize;
  let number: u32 = 1;
  while (true) {
    const size = outerSize + (nameEnd - nameStart) + takenBytes + 8;
    const taken = takeScratch(size);
    if (taken === 0) return false;
    flatten(taken + takenBytes);
    const bucket = header(Header.NameBuckets) + ((<usize>hashOf(flatStart, flatSize) & (bucketCount - 1)) << 2);
    if (!isTaken(load<u32>(bucket))) {
      store<u32>(taken, load<u32>(bucket), takenNext);
      store<u32>(taken, <u32>flatSize, takenSize);
      store<u32>(bucket, <u32>taken);
      endScratch(flatStart + flatSize);
      return true;
    }
    if (!appendNumber(key, keySize, ++number)) return false;
  }
}

/** The names that follow are inside the name found last. Returns the argument for `leaveName`. */
export function enterName(): u64 {
  const outer = <u64>outerStart | ((<u64>outerSize) << 32);
  outerStart = flatStart;
  outerSize = flatSize;
  return outer;
}

export function leaveName(outer: u64): void {
  outerStart = <usize>(outer & 0xffff_ffff);
  outerSize = <usize>(outer >> 32);
}

function isTaken(first: usize): bool {
  for (let taken = first; taken !== 0; taken = load<u32>(taken, takenNext)) {
    if (load<u32>(taken, takenSize) === <u32>flatSize && isEqual(taken + takenBytes, flatStart, flatSize)) return true;
  }
  return false;
}

/** Writes the flat name: the outer one, `_`, and the name. */
function flatten(to: usize): void {
  copy(to, outerStart, outerSize);
  let out = to + outerSize;
  let wasOther = outerSize > 0 && load<u8>(out - 1) === 0x5f;
  if (!wasOther) store<u8>(out++, 0x5f);
  wasOther = true;
  for (let at = nameStart; at < nameEnd; at++) {
    const byte = load<u8>(at);
    const isOther = !isDigit(byte) && <u32>(byte | 0x20) - 0x61 > 25;
    if (!isOther) store<u8>(out++, byte);
    else if (!wasOther) store<u8>(out++, 0x5f);
    wasOther = isOther;
  }
  flatStart = to;
  flatSize = out - to;
}

function appendNumber(key: usize, keySize: usize, number: u32): bool {
  const to = takeScratch(keySize + 16);
  if (to === 0) return false;
  copy(to, key, keySize);
  store<u8>(to + keySize, 0x5f);
  nameStart = to;
  nameEnd = writeDigits(to + keySize + 1, number);
  endScratch(nameEnd);
  return true;
}

function hashOf(start: usize, size: usize): u32 {
  let hash: u32 = 0x811c9dc5;
  for (let at = start; at < start + size; at++) hash = (hash ^ load<u8>(at)) * 0x01000193;
  return hash ^ (hash >> 15);
}
