/**
 * The named conversions of a mapping file. Each takes a value from a record, which can be anything that JSON can be, and
 * gives what to write, or undefined when the value is not of its kind.
 */
import { isIP } from 'node:net';
import { BoundedMemo } from './bounded-memo.ts';
import { exactNumber, type JsonValue } from './record/exact-json.ts';

export type Scalar = string | number | bigint | boolean;

/** What a conversion may know besides the value. */
export interface ConversionContext {
  /** Which of the equal lines of its object the line is, from 1. */
  readonly occurrence: number;
}

export interface Conversion {
  /** For people. */
  readonly type: 'string' | 'int' | 'bool';
  readonly convert: (value: JsonValue, context: ConversionContext) => Scalar | undefined;
}

/** A longer one is no id. Elasticsearch takes 512 bytes, and two that are cut could become the same. */
const uidLengthMax = 128;

const table = {
  string: { type: 'string', convert: toText },
  integer: { type: 'int', convert: toInteger },
  boolean: { type: 'bool', convert: (value) => (typeof value === 'boolean' ? value : undefined) },
  json_text: { type: 'string', convert: toJsonText },
  http_status: { type: 'int', convert: toHttpStatus },
  not_http_status: {
    type: 'int',
    convert: (value) => (toHttpStatus(value) === undefined ? (toInteger(value) ?? toText(value)) : undefined),
  },
  ip_address: { type: 'string', convert: (value) => addressOf(value)?.address },
  ip_port: { type: 'int', convert: (value) => addressOf(value)?.port },
  not_ip_address: { type: 'string', convert: (value) => (addressOf(value) === undefined ? toText(value) : undefined) },
  principal_type: { type: 'string', convert: (value) => principalOf(value)?.type },
  email_address: { type: 'string', convert: (value) => principalOf(value)?.email },
  uuid: { type: 'string', convert: (value) => principalOf(value)?.uuid },
  principal_name: { type: 'string', convert: (value) => principalOf(value)?.otherName },
  record_uid: {
    type: 'string',
    convert(value, { occurrence }) {
      const text = toText(value);
      if (text === undefined || text.length > uidLengthMax) return undefined;
      return occurrence === 1 ? text : `${text}-${occurrence}`;
    },
  },
} as const satisfies Record<string, Conversion>;

export type ConversionName = keyof typeof table;

/** Conversions to one value. The only other one is `map` (bounded-map.ts). */
export const conversions: Readonly<Record<ConversionName, Conversion>> = table;
export const conversionNames = Object.keys(table) as readonly ConversionName[];

/** Milliseconds that an OTLP time in nanoseconds (int64 in many receivers) can hold, from 1990: before that they are seconds. */
const timestampMinMs = 631_152_000_000;
const timestampMaxMs = 9_223_372_036_854;

/** Unix time in milliseconds from an integer or its digits; undefined for anything else, seconds and microseconds included. */
export function toUnixMs(value: JsonValue | undefined): number | undefined {
  const timeMs = typeof value === 'string' && /^\d{12,13}$/.test(value) ? Number(value) : value;
  if (typeof timeMs !== 'number' || !Number.isInteger(timeMs)) return undefined;
  return timeMs >= timestampMinMs && timeMs <= timestampMaxMs ? timeMs : undefined;
}

export function toText(value: JsonValue): string | undefined {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'boolean':
      return String(value);
    default:
      return exactNumber(value)?.toString();
  }
}

function toInteger(value: JsonValue): number | bigint | undefined {
  // `1e22` is a whole number and no integer of 64 bits.
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  const exact =
    typeof value === 'string' && /^-?\d{1,19}$/.test(value) ? BigInt.asIntN(64, BigInt(value)) : exactNumber(value);
  if (typeof exact !== 'bigint' || (typeof value === 'string' && exact !== BigInt(value))) return undefined;
  const number = Number(exact);
  return Number.isSafeInteger(number) ? number : exact;
}

function toJsonText(value: JsonValue): string | undefined {
  return toText(value) ?? JSON.stringify(value);
}

/** HTTP semantics, RFC 9110 section 15: valid codes are 100 to 599. */
function toHttpStatus(value: JsonValue): number | undefined {
  const code = typeof value === 'string' && /^\d{3}$/.test(value) ? Number(value) : value;
  return typeof code === 'number' && Number.isInteger(code) && code >= 100 && code <= 599 ? code : undefined;
}

interface Address {
  readonly address: string;
  readonly port: number | undefined;
}

const addressLengthMax = 64;

const knownAddresses = new BoundedMemo(parseAddress);

function addressOf(value: JsonValue): Address | undefined {
  return typeof value === 'string' && value.length <= addressLengthMax ? knownAddresses.of(value) : undefined;
}

/** `1.2.3.4`, `1.2.3.4:443`, `2001:db8::1`, `[2001:db8::1]:443`; `fe80::1%eth0` without its zone, which means nothing elsewhere. */
function parseAddress(text: string): Address | undefined {
  if (isIP(text) !== 0) return { address: withoutZone(text), port: undefined };
  const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? '';
  if (isIP(address) !== (bracketed === undefined ? 4 : 6)) return undefined;
  const port = Number(portText ?? 0);
  if (port > 65_535) return undefined;
  return { address: withoutZone(address), port: port === 0 ? undefined : port };
}

function withoutZone(address: string): string {
  const zone = address.indexOf('%');
  return zone === -1 ? address : address.slice(0, zone);
}

interface Principal {
  readonly type: 'user' | 'service_principal' | 'system' | 'unknown';
  readonly email: string | undefined;
  readonly uuid: string | undefined;
  /** What is neither. */
  readonly otherName: string | undefined;
}

const emailLengthMax = 320;
const uuidPattern = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const emailPattern = /^[^\s@]+@[^\s@]+$/;

const knownPrincipals = new BoundedMemo(parsePrincipal);

/** By its shape: Databricks puts e-mail addresses, application ids and names of its own into one field. */
function principalOf(value: JsonValue): Principal | undefined {
  const text = toText(value);
  if (text === undefined) return undefined;
  return text.length <= emailLengthMax ? knownPrincipals.of(text) : unknownPrincipal(text);
}

function parsePrincipal(text: string): Principal {
  const none = { email: undefined, uuid: undefined, otherName: undefined };
  if (uuidPattern.test(text)) return { ...none, type: 'service_principal', uuid: text };
  if (emailPattern.test(text)) return { ...none, type: 'user', email: text };
  return text === 'System-User' ? { ...none, type: 'system', otherName: text } : unknownPrincipal(text);
}

function unknownPrincipal(text: string): Principal {
  return { type: 'unknown', email: undefined, uuid: undefined, otherName: text };
}
