// Principals and addresses, recognised by their syntax. Several rules read the same value, so the result is kept for the rest of the record.
import { Header, header } from './layout';
import { Kind, kindOf } from './tape';
import { isDigit, isHexDigit } from './tokens';
import { end, findString, setFoundString, start, utf16Length } from './values';

export enum Principal {
  None,
  User,
  ServicePrincipal,
  System,
  Unknown,
}

const emailLengthMax: usize = 320;
const addressLengthMax: usize = 64;

let principalEntry: usize = 0;
let principal: Principal = Principal.None;
let addressEntry: usize = 0;
let isAddress: bool = false;
let addressStart: usize = 0;
let addressEnd: usize = 0;
let port: u32 = 0;

export function resetIdentities(): void {
  principalEntry = 0;
  addressEntry = 0;
}

/** The name of the type. */
export function findPrincipalType(type: Principal): void {
  const name = header(Header.PrincipalTypes) + ((<usize>type - 1) << 3);
  setFoundString(load<u32>(name), load<u32>(name, 4));
}

/** The string is found as well. */
export function principalOf(entry: usize): Principal {
  if (!findString(entry)) return Principal.None;
  if (entry !== principalEntry) {
    principalEntry = entry;
    principal = findPrincipal();
  }
  return principal;
}

function findPrincipal(): Principal {
  if (end - start > emailLengthMax && utf16Length(start, end) > emailLengthMax) return Principal.Unknown;
  if (isUuid()) return Principal.ServicePrincipal;
  if (isEmail()) return Principal.User;
  return isSystemUser() ? Principal.System : Principal.Unknown;
}

function isUuid(): bool {
  if (end - start !== 36) return false;
  for (let index: usize = 0; index < 36; index++) {
    const byte = load<u8>(start + index);
    const isDash = index === 8 || index === 13 || index === 18 || index === 23;
    if (isDash ? byte !== 0x2d : !isHexDigit(byte)) return false;
  }
  return true;
}

/** One @ with something on both sides, and no white space. */
function isEmail(): bool {
  let position: usize = 0;
  for (let at = start; at < end; at++) {
    const byte = load<u8>(at);
    if (byte === 0x40) {
      if (position !== 0) return false;
      position = at;
    } else if (byte <= 0x20 ? isBlank(byte) : byte >= 0xc2 && isWideBlank(at, byte)) {
      return false;
    }
  }
  return position > start && position + 1 < end;
}

function isBlank(byte: u8): bool {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** White space outside ASCII, as `\s` in a regular expression matches it. */
function isWideBlank(at: usize, byte: u8): bool {
  const next = load<u8>(at + 1);
  if (byte === 0xc2) return next === 0xa0;
  const code: u32 = ((<u32>next) << 8) | load<u8>(at + 2);
  if (byte === 0xe1) return code === 0x9a80;
  if (byte === 0xe2)
    return (
      (code >= 0x8080 && code <= 0x808a) || code === 0x80a8 || code === 0x80a9 || code === 0x80af || code === 0x819f
    );
  if (byte === 0xe3) return code === 0x8080;
  return byte === 0xef && code === 0xbbbf;
}

/** System-User */
function isSystemUser(): bool {
  return (
    end - start === 11 &&
    load<u32>(start) === 0x74737953 &&
    load<u32>(start, 4) === 0x552d6d65 &&
    (load<u32>(start, 8) & 0xff_ffff) === 0x726573
  );
}

/** `1.2.3.4`, `1.2.3.4:443`, `2001:db8::1`, `[2001:db8::1]:443`. Drops the zone, which has no meaning on other hosts. */
export function asAddress(entry: usize): bool {
  if (entry !== addressEntry) {
    addressEntry = entry;
    const kind = kindOf(entry);
    port = 0;
    isAddress = (kind === Kind.String || kind === Kind.EscapedString) && findString(entry) && findAddress();
  }
  setFoundString(addressStart, addressEnd);
  return isAddress;
}

/** 0 if there is none; records use 0 for that too. */
export function asPort(entry: usize): u32 {
  return asAddress(entry) ? port : 0;
}

function findAddress(): bool {
  const last = end;
  let at = start;
  if (last - at > addressLengthMax) return false;
  addressStart = at;
  addressEnd = last;
  if (isIpv4(at, last)) return true;
  if (load<u8>(at) === 0x5b) {
    addressStart = ++at;
    while (at < last && load<u8>(at) !== 0x5d) at++;
    return at < last && isIpv6(addressStart, at) && findPort(at + 1, last);
  }
  if (isIpv6(at, last)) return true;
  while (at < last && load<u8>(at) !== 0x3a) at++;
  addressEnd = at;
  return isIpv4(addressStart, at) && findPort(at, last);
}

/** An optional colon and up to five digits. */
function findPort(from: usize, last: usize): bool {
  if (from === last) return true;
  const size = last - from - 1;
  if (load<u8>(from) !== 0x3a || size === 0 || size > 5) return false;
  for (let at = from + 1; at < last; at++) {
    if (!isDigit(load<u8>(at))) return false;
    port = port * 10 + load<u8>(at) - 0x30;
  }
  return port <= 65_535;
}

function isIpv4(from: usize, last: usize): bool {
  let at = from;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && (at >= last || load<u8>(at++) !== 0x2e)) return false;
    const first = at;
    let value: u32 = 0;
    while (at < last && isDigit(load<u8>(at)) && at - first < 3) value = value * 10 + load<u8>(at++) - 0x30;
    if (at === first || value > 255 || (at - first > 1 && load<u8>(first) === 0x30)) return false;
  }
  return at === last;
}

/** Sets the end of the address before its zone. */
function isIpv6(from: usize, last: usize): bool {
  let stop = from;
  while (stop < last && load<u8>(stop) !== 0x25) stop++;
  addressEnd = stop;
  if (stop < last && !isZone(stop + 1, last)) return false;
  let at = from;
  let groups: u32 = 0;
  let hasGap = false;
  if (stop - at >= 2 && load<u16>(at) === 0x3a3a) {
    hasGap = true;
    at += 2;
  }
  while (at < stop) {
    const first = at;
    while (at < stop && isHexDigit(load<u8>(at))) at++;
    if (at < stop && load<u8>(at) === 0x2e) {
      if (!isIpv4(first, stop)) return false;
      groups += 2;
      break;
    }
    if (at === first || at - first > 4) return false;
    groups++;
    if (at === stop) break;
    if (load<u8>(at++) !== 0x3a || at === stop) return false;
    if (load<u8>(at) === 0x3a) {
      if (hasGap) return false;
      hasGap = true;
      at++;
    }
  }
  return hasGap ? groups <= 7 : groups === 8;
}

function isZone(from: usize, last: usize): bool {
  if (from === last) return false;
  for (let at = from; at < last; at++) {
    const byte = load<u8>(at);
    if (!isDigit(byte) && <u32>(byte | 0x20) - 0x61 > 25 && byte !== 0x2d && byte !== 0x2e && byte !== 0x3a)
      return false;
  }
  return true;
}
