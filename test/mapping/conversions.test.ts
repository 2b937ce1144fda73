/**
 * Compares the kernel's conversions with their definitions: plain JavaScript and regular expressions, written for clarity and not for speed.
 */
import { writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { conversionNames } from '../../src/mapping/conversions.ts';
import { createMapper } from '../../src/mapping/index.ts';
import { decodeLogsRequest, plainAttributes, recordsOf } from '../support/otlp-decode.ts';
import { fc } from '../support/property-tests.ts';
import { identifiedLine } from '../support/sample-lines.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

type Value = string | number | boolean | object | bigint;
type Converted = string | number | bigint | boolean | undefined;

const uuidPattern = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const emailPattern = /^[^\s@]+@[^\s@]+$/;
const numberPattern = /^-?\d{1,19}$/;

const eventMs = 1_759_795_200_000n;

const textOf = (value: Value) => (typeof value === 'object' ? undefined : String(value));
const integerOf = (value: Value) => {
  // 1e22 is a whole number and no integer of 64 bits.
  if (typeof value === 'object' || !numberPattern.test(String(value))) return undefined;
  const integer = BigInt(String(value));
  return BigInt.asIntN(64, integer) === integer ? integer : undefined;
};
const statusOf = (value: Value) => {
  const code = typeof value === 'string' && /^\d{3}$/.test(value) ? Number(value) : value;
  return typeof code === 'number' && Number.isInteger(code) && code >= 100 && code <= 599 ? BigInt(code) : undefined;
};
const principalOf = (value: Value) => {
  const text = textOf(value);
  if (text === undefined) return undefined;
  if (text.length <= 320 && uuidPattern.test(text)) return { type: 'service_principal', text };
  if (text.length <= 320 && emailPattern.test(text)) return { type: 'user', text };
  return { type: text === 'System-User' ? 'system' : 'unknown', text };
};
const principalIf = (types: readonly string[], value: Value) => {
  const principal = principalOf(value);
  return principal !== undefined && types.includes(principal.type) ? principal.text : undefined;
};
const addressOf = (value: Value) => {
  if (typeof value !== 'string' || value.length > 64) return undefined;
  const withoutZone = (address: string) => address.split('%')[0];
  if (isIP(value) !== 0) return { address: withoutZone(value), port: 0 };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(value) ?? [];
  const address = bracketed ?? plain ?? '';
  if (isIP(address) !== (bracketed === undefined ? 4 : 6) || Number(port ?? 0) > 65_535) return undefined;
  return { address: withoutZone(address), port: Number(port ?? 0) };
};

const definitions: Readonly<Record<(typeof conversionNames)[number], (value: Value) => Converted>> = {
  string: textOf,
  integer: integerOf,
  boolean: (value) => (typeof value === 'boolean' ? value : undefined),
  json_text: (value) => textOf(value) ?? JSON.stringify(value),
  http_status: statusOf,
  not_http_status: (value) => (statusOf(value) === undefined ? (integerOf(value) ?? textOf(value)) : undefined),
  ip_address: (value) => addressOf(value)?.address,
  ip_port: (value) => BigInt(addressOf(value)?.port ?? 0) || undefined,
  not_ip_address: (value) => (addressOf(value) === undefined ? textOf(value) : undefined),
  principal_type: (value) => principalOf(value)?.type,
  email_address: (value) => principalIf(['user'], value),
  uuid: (value) => principalIf(['service_principal'], value),
  principal_name: (value) => principalIf(['system', 'unknown'], value),
  seconds_after_event: (value) => {
    const timeMs = integerOf(value);
    return timeMs !== undefined && timeMs > eventMs ? (timeMs - eventMs) / 1000n : undefined;
  },
  record_uid: (value) => {
    const text = textOf(value);
    return text !== undefined && text.length <= 128 ? text : undefined;
  },
};

const byte = fc.oneof(fc.integer({ min: 0, max: 300 }).map(String), fc.constantFrom('00', '01', '256', '', 'a'));
const ipv4 = fc.array(byte, { minLength: 3, maxLength: 5 }).map((parts) => parts.join('.'));
const group = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEFg'), maxLength: 5 }),
  fc.constant(''),
);
const zone = fc.oneof(
  fc.constant(''),
  fc.string({ maxLength: 4 }).map((text) => `%${text}`),
);
const ipv6 = fc
  .tuple(fc.array(group, { maxLength: 10 }), fc.oneof(fc.constant(undefined), fc.ipV4(), ipv4), zone)
  .map(([groups, last, end]) => `${[...groups, ...(last === undefined ? [] : [last])].join(':')}${end}`);
const address = fc.oneof(fc.ipV4(), fc.ipV6(), ipv4, ipv6);
const port = fc.oneof(
  fc.constantFrom('', ':', ':0', ':443', ':65535', ':65536', ':123456', ':8a'),
  fc.nat().map((number) => `:${number}`),
);
const blank = fc.constantFrom(
  ...'\u0009\u000b \u00a0\u1680\u2000\u200a\u200b\u2028\u202f\u205f\u3000\ufeff\u00a1\u2010',
);
const text = fc.oneof(
  fc.tuple(address, port).map((parts) => parts.join('')),
  fc.tuple(address, port).map(([inner, end]) => `[${inner}]${end}`),
  fc
    .array(fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('@', 'é', '😀'), blank), { maxLength: 5 })
    .map((parts) => parts.join('')),
  fc.constantFrom(127, 128, 129, 320, 321).map((length) => `${'é'.repeat(length - 2)}@x`),
  fc.uuid(),
  fc.uuid().map((uuid) => uuid.toUpperCase()),
  fc.constantFrom(
    'System-User',
    '007',
    '-0',
    '-',
    '1e3',
    '0200',
    '599',
    '600',
    '9223372036854775807',
    '9223372036854775808',
  ),
  fc.integer().map(String),
  fc.bigInt({ min: eventMs - 5_000n, max: eventMs + 5_000n }).map(String),
  fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }).map(String),
);
const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 6, arbitrary: text },
  fc.integer(),
  fc.integer({ min: 90, max: 610 }),
  fc.integer({ min: Number(eventMs) - 5_000, max: Number(eventMs) + 5_000 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.constantFrom({ a: [1, 'x"y', null] }, [], [[], {}]),
);

/** JSON, optionally with every character of a string escaped. */
function jsonOf(each: Value, isEscaped: boolean): string {
  if (typeof each === 'bigint') return String(each);
  if (typeof each !== 'string' || !isEscaped) return JSON.stringify(each);
  const units = Array.from({ length: each.length }, (_, index) => each.charCodeAt(index).toString(16).padStart(4, '0'));
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`;
}

it('converts every value as the definition of each conversion does', () => {
  const file = join(temporaryDirectory(), 'all.yaml');
  const rules = conversionNames.map((name) => `  all.${name}: { from: value, as: ${name}, limits: { bytes: 100000 } }`);
  writeFileSync(file, `attributes:\n${rules.join('\n')}\n`);
  const mapper = createMapper({ layers: ['databricks-audit', file], redact: [], resourceAttributes: {} });
  fc.assert(
    fc.property(value, fc.boolean(), (each, isEscaped) => {
      const line = identifiedLine(`{"timestamp":${eventMs},"value":${jsonOf(each, isEscaped)}}`);
      const encoder = mapper.createEncoder('protobuf');
      encoder.append(line);
      const [entry] = recordsOf(decodeLogsRequest(encoder.finish()));
      const attributes = plainAttributes(entry?.record.attributes ?? []);
      for (const name of conversionNames) {
        const expected = each === '' ? undefined : definitions[name](each);
        expect(attributes[`all.${name}`], name).toEqual(
          typeof expected === 'string' ? expected.toWellFormed() : expected,
        );
      }
    }),
    { numRuns: 3_000 },
  );
});
