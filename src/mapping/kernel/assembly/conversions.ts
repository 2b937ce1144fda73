// The conversions of a mapping (`as`).
import { jsonText } from './host';
import { asAddress, asPort, findPrincipalType, Principal, principalOf } from './identities';
import { copy } from './layout';
import { endOf, endScratch, Kind, kindOf, scratchLeft, startOf, takeScratch } from './tape';
import { findSecondsAfterEvent } from './times';
import { isDigit } from './tokens';
import {
  end,
  Found,
  findInteger,
  findString,
  integer,
  setFoundInteger,
  setFoundString,
  start,
  utf16Length,
  writeDigits,
} from './values';

/** In the order of `conversionNames` (src/mapping/conversions.ts). */
export enum Conversion {
  String,
  Integer,
  Boolean,
  JsonText,
  HttpStatus,
  OtherStatus,
  Address,
  Port,
  NoAddress,
  PrincipalType,
  Email,
  Uuid,
  PrincipalName,
  Uid,
  SecondsAfterEvent,
}

/** A longer string is not an id: Elasticsearch accepts 512 bytes, and two truncated ids could collide. */
const uidLengthMax: usize = 128;
/** The position of the line among identical lines of its object, from 1. */
let occurrence: u32 = 1;

export function setOccurrence(number: u32): void {
  occurrence = number;
}

export function convert(conversion: Conversion, entry: usize): Found {
  switch (conversion) {
    case Conversion.String:
      return string(findString(entry));
    case Conversion.Integer:
      return findInteger(entry) ? Found.Integer : Found.Nothing;
    case Conversion.Boolean:
      return findBoolean(entry) ? Found.Boolean : Found.Nothing;
    case Conversion.JsonText:
      return string(kindOf(entry) >= Kind.Object ? findJson(entry) : findString(entry));
    case Conversion.HttpStatus:
      return findHttpStatus(entry) ? Found.Integer : Found.Nothing;
    case Conversion.OtherStatus:
      if (findHttpStatus(entry)) return Found.Nothing;
      return findInteger(entry) ? Found.Integer : string(findString(entry));
    case Conversion.Address:
      return string(asAddress(entry));
    case Conversion.Port: {
      const port = asPort(entry);
      setFoundInteger(port);
      return port === 0 ? Found.Nothing : Found.Integer;
    }
    case Conversion.NoAddress:
      return string(!asAddress(entry) && findString(entry));
    case Conversion.PrincipalType: {
      const type = principalOf(entry);
      if (type === Principal.None) return Found.Nothing;
      findPrincipalType(type);
      return Found.String;
    }
    case Conversion.Email:
      return string(principalOf(entry) === Principal.User);
    case Conversion.Uuid:
      return string(principalOf(entry) === Principal.ServicePrincipal);
    case Conversion.PrincipalName:
      return string(principalOf(entry) >= Principal.System);
    case Conversion.Uid:
      return string(findString(entry) && findUid());
    case Conversion.SecondsAfterEvent:
      return findSecondsAfterEvent(entry) ? Found.Integer : Found.Nothing;
    default:
      return Found.Nothing;
  }
}

function string(isFound: bool): Found {
  return isFound ? Found.String : Found.Nothing;
}

function findBoolean(entry: usize): bool {
  const kind = kindOf(entry);
  setFoundInteger(<i64>(kind === Kind.True));
  return kind === Kind.True || kind === Kind.False;
}

/** 100 to 599 (RFC 9110, section 15), also as a string of three digits. */
function findHttpStatus(entry: usize): bool {
  const kind = kindOf(entry);
  if (kind < Kind.Integer || !findInteger(entry)) return false;
  if ((kind === Kind.String || kind === Kind.EscapedString) && (end - start !== 3 || !isDigit(load<u8>(start))))
    return false;
  return integer >= 100 && integer <= 599;
}

/** A container, serialised as JSON.stringify does. */
function findJson(entry: usize): bool {
  const to = takeScratch(0);
  if (to === 0) return false;
  const from = startOf(entry);
  const last = endOf(entry);
  const size = jsonText(from, last - from, to, scratchLeft());
  if (takeScratch(size) === 0) return false;
  setFoundString(to, to + size);
  endScratch(end);
  return true;
}

/** Appends `-2` for the second of identical lines, and so on. */
function findUid(): bool {
  if (end - start > uidLengthMax && utf16Length(start, end) > uidLengthMax) return false;
  if (occurrence === 1) return true;
  const size = end - start;
  const to = takeScratch(size + 16);
  if (to === 0) return false;
  copy(to, start, size);
  store<u8>(to + size, 0x2d);
  setFoundString(to, writeDigits(to + size + 1, occurrence));
  endScratch(end);
  return true;
}
