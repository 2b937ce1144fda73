import { describe, expect, it } from 'vitest';
import { isExactNumber, isJsonObject, parseJson } from '../../src/runtime/exact-json.ts';
import { fc } from '../support/property-tests.ts';

describe('exact JSON', () => {
  it('reads back every value that JSON.stringify writes', () => {
    // Few keys, so that V8 finds them again in what it has read before.
    const key = fc.oneof(fc.constantFrom('a', '\\', '"', '\\"', '"\\', '\n', '\\n', '__proto__', ''), fc.string());
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.jsonValue({ maxDepth: 0, noUnicodeString: false }),
        key,
        fc.array(tie('value'), { maxLength: 4 }),
        fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
      ),
    }));
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 1), (written, indent) => {
        expect(JSON.stringify(parseJson(JSON.stringify(written, undefined, indent)))).toBe(JSON.stringify(written));
      }),
    );
  });

  it('reads keys with escapes that resemble a key it has read before', () => {
    // With JSON.parse alone, the second reads as the first: https://github.com/nodejs/node/issues/63785
    for (const [known, escaped, key] of [
      ['\\\\', '\\"', '"'],
      ['\\\\', '\\u0022', '"'],
      ['\\\\', '\\n', '\n'],
      ['to\\\\u0', 'to\\u006ben', 'token'],
    ]) {
      parseJson(`{"a":1,"${known}":2}`);
      for (const end of [':', ' \n:'])
        expect(parseJson(`{"a":1,"${escaped}"${end}3}`)).toEqual({ a: 1, [String(key)]: 3 });
    }
  });

  it.each([
    '9007199254740993',
    '-9007199254740993',
    '1e400',
    '-1e400',
    '{"a":[123456789012345678901234567890,"\\\\"]}',
    '{"\\"":[{"":9007199254740993},null,true,"x:y,z",{}]}',
  ])('keeps the digits of %s', (text) => {
    expect(JSON.stringify(parseJson(text))).toBe(text);
  });

  it('reads a number with a fraction or an exponent as a double', () => {
    expect(parseJson('[0.1,9007199254740993.0,1e3,9007199254740993]')).toEqual([
      0.1,
      9007199254740992,
      1000,
      expect.toSatisfy(isExactNumber),
    ]);
  });

  it('keeps the last value of a repeated key, at the place of the first', () => {
    expect(JSON.stringify(parseJson('{"a":1,"b":2,"\\u0061":3,"\\"":9007199254740993}'))).toBe(
      '{"a":3,"b":2,"\\"":9007199254740993}',
    );
  });

  it('reads a key named __proto__ as a key', () => {
    const value = parseJson('{"__proto__":{"x":1},"\\"":1}');
    expect(isJsonObject(value) && Object.hasOwn(value, '__proto__')).toBe(true);
  });

  it.each(['', '{', '{"a"}', '{"\\"":}', '[1,]', '9007199254740993 x', '{"\\x":1}'])('refuses %j', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  it.each([
    ['deep nesting', `[9007199254740993,${'['.repeat(500_000)}${']'.repeat(500_000)}]`],
    ['a string of a megabyte', `{"\\"":"${'a'.repeat(1_000_000)}"}`],
    ['a string of escapes, as long as a row of a table may be', `{"\\"":"${'\\"\\n'.repeat(6_000_000)}"}`],
  ])('reads %s', (_kind, text) => {
    expect(() => parseJson(text)).not.toThrow();
  });
});
