/**
 * Records as nobody would write them, for property tests.
 */
import { fc } from '../support/property-tests.ts';

const numberTexts = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
  fc.constantFrom('-0', '1e400', '-1e400', '1e22', '9007199254740993', '9223372036854775807', '-9223372036854775808'),
);

/** Any UTF-16, with lone surrogates. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 200 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 }).map((codes) => String.fromCharCode(...codes)),
  fc.constantFrom(
    '',
    '\0',
    '\ud800',
    '\udc00',
    '\ufffd',
    '__proto__',
    '203.0.113.7:443',
    '::1',
    'a@example.com',
    'System-User',
    '{"a":1}',
  ),
);

const { json } = fc.letrec<{ json: string; object: string }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('null', 'true', 'false', '{}', '[]'),
    numberTexts,
    anyText.map((text) => JSON.stringify(text)),
    anyText.map((text) => JSON.stringify(JSON.stringify({ password: text, text }))),
    fc.array(tie('json'), { maxLength: 5 }).map((values) => `[${values.join(',')}]`),
    tie('object'),
  ),
  object: fc
    .array(fc.tuple(anyText, tie('json')), { maxLength: 6 })
    .map((entries) => `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`),
}));

const fieldNames = fc.oneof(
  fc.constantFrom(
    ...['timestamp', 'orgId', 'workspaceId', 'accountId', 'serviceName', 'actionName', 'sourceIPAddress', 'userAgent'],
    ...['requestParams', 'requestParams', 'response', 'userIdentity', 'eventId', 'identityMetadata', 'version'],
  ),
  anyText,
);

const plausible = '"timestamp":1759795200000,"serviceName":"secrets","actionName":"putSecret"';

/** A JSON object as text: with a usable timestamp, or with anything in its place. */
export const hostileRecordText = fc
  .tuple(fc.boolean(), fc.array(fc.tuple(fieldNames, json), { maxLength: 12 }))
  .map(([isPlausible, entries]) => {
    const fields = entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`);
    return `{${(isPlausible ? [plausible, ...fields] : fields).join(',')}}`;
  });

/** Whatever a line can be: a record, the beginning of one, bytes that are no text. */
export const hostileLineBytes: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    { weight: 6, arbitrary: hostileRecordText.map((text) => Buffer.from(text)) },
    { weight: 1, arbitrary: fc.tuple(hostileRecordText, fc.nat()).map(([text, at]) => cut(Buffer.from(text), at)) },
    { weight: 1, arbitrary: fc.tuple(hostileRecordText, fc.nat()).map(([text, at]) => damage(Buffer.from(text), at)) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 50 }).map((bytes) => Buffer.from(bytes)) },
  )
  .filter((bytes) => bytes.length > 0);

function cut(bytes: Buffer, at: number): Buffer {
  return bytes.subarray(0, 1 + (at % bytes.length));
}

function damage(bytes: Buffer, at: number): Buffer {
  bytes[at % bytes.length] = 0xff;
  return bytes;
}
