// The conversions of a mapping: what becomes of a value.
import { jsonText } from './host';
import { asAddress, asPort, findPrincipalType, Principal, principalOf } from './identities';
import { copy } from './memory';
import { isDigit } from './scan';
import { endOf, endScratch, Kind, kindOf, scratchLeft, startOf, takeScratch } from './tape';
import {
  end,
  Found,
  findInteger,
  findText,
  integer,
  setFoundInteger,
  setFoundText,
  start,
  utf16Length,
  writeDigits,
} from './values';

/** In the order of `conversionNames` (src/mapping/conversions.ts). */
export enum Conversion {
  Text,
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
}

/** A longer text is no id: Elasticsearch takes 512 bytes, and two that are cut could become the same. */
const uidLengthMax: usize = 128;
/** Which of the equal lines of its object the line is, from 1. */
let occurrence: u32 = 1;

export function setOccurrence(number: u32): void {
  occurrence = number;
}

export function convert(conversion: Conversion, entry: usize): Found {
  switch (conversion) {
    case Conversion.Text:
      return text(findText(entry));
    case Conversion.Integer:
      return findInteger(entry) ? Found.Integer : Found.Nothing;
    case Conversion.Boolean:
      return findBoolean(entry) ? Found.Boolean : Found.Nothing;
    case Conversion.JsonText:
      return text(kindOf(entry) >= Kind.Object ? findJson(entry) : findText(entry));
    case Conversion.HttpStatus:
      return findHttpStatus(entry) ? Found.Integer : Found.Nothing;
    case Conversion.OtherStatus:
      if (findHttpStatus(entry)) return Found.Nothing;
      return findInteger(entry) ? Found.Integer : text(findText(entry));
    case Conversion.Address:
      return text(asAddress(entry));
    case Conversion.Port: {
      const port = asPort(entry);
      setFoundInteger(port);
      return port === 0 ? Found.Nothing : Found.Integer;
    }
    case Conversion.NoAddress:
      return text(!asAddress(entry) && findText(entry));
    case Conversion.PrincipalType: {
      const type = principalOf(entry);
      if (type === Principal.None) return Found.Nothing;
      findPrincipalType(type);
      return Found.Text;
    }
    case Conversion.Email:
      return text(principalOf(entry) === Principal.User);
    case Conversion.Uuid:
      return text(principalOf(entry) === Principal.ServicePrincipal);
    case Conversion.PrincipalName:
      return text(principalOf(entry) >= Principal.System);
    case Conversion.Uid:
      return text(findText(entry) && findUid());
    default:
      return Found.Nothing;
  }
}

function text(isFound: bool): Found {
  return isFound ? Found.Text : Found.Nothing;
}

function findBoolean(entry: usize): bool {
  const kind = kindOf(entry);
  setFoundInteger(<i64>(kind === Kind.True));
  return kind === Kind.True || kind === Kind.False;
}

/** From 100 to 599, also as a text of three digits (RFC 9110, section 15). */
function findHttpStatus(entry: usize): bool {
  const kind = kindOf(entry);
  if (kind < Kind.Integer || !findInteger(entry)) return false;
  if ((kind === Kind.Text || kind === Kind.EscapedText) && (end - start !== 3 || !isDigit(load<u8>(start))))
    return false;
  return integer >= 100 && integer <= 599;
}

/** From 1990 to 2262, also as a text of 12 or 13 digits: what is earlier are seconds, and later ones exceed OTLP's nanoseconds. */
export function findUnixMs(entry: usize): bool {
  const kind = kindOf(entry);
  if (kind < Kind.Integer || !findInteger(entry)) return false;
  const isOfText = kind === Kind.Text || kind === Kind.EscapedText;
  if (isOfText && (end - start < 12 || end - start > 13 || !isDigit(load<u8>(start)))) return false;
  return integer >= 631_152_000_000 && integer <= 9_223_372_036_854;
}

/** A container as JSON.stringify writes it. */
function findJson(entry: usize): bool {
  const to = takeScratch(0);
  if (to === 0) return false;
  const from = startOf(entry);
  const last = endOf(entry);
  const size = jsonText(from, last - from, to, scratchLeft());
  if (takeScratch(size) === 0) return false;
  setFoundText(to, to + size);
  endScratch(end);
  return true;
}

/** With `-2` behind it for the second of equal lines, and so on. */
function findUid(): bool {
  if (end - start > uidLengthMax && utf16Length(start, end) > uidLengthMax) return false;
  if (occurrence === 1) return true;
  const size = end - start;
  const to = takeScratch(size + 16);
  if (to === 0) return false;
  copy(to, start, size);
  store<u8>(to + size, 0x2d);
  setFoundText(to, writeDigits(to + size + 1, occurrence));
  endScratch(end);
  return true;
}
