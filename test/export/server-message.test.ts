import protobuf from 'protobufjs';
import { expect, test } from 'vitest';
import { serverMessage } from '../../src/export/server-message.ts';
import { fc } from '../support/property-tests.ts';

function status(code: number, message: string): Uint8Array {
  return protobuf.Writer.create().uint32(8).int32(code).uint32(18).string(message).finish();
}

test.each<[string, string | Uint8Array, string]>([
  ['a protobuf Status', status(3, 'line too long'), 'line too long'],
  ['a protobuf Status without a code', status(3, 'line too long').subarray(2), 'line too long'],
  ['a protobuf Status with a code only', Uint8Array.of(8, 3), ''],
  ['a long protobuf Status', status(3, 'é'.repeat(200)), 'é'.repeat(200)],
  ['a JSON Status', '{"code":3,"message":"line too long"}', 'line too long'],
  ['an error of a gateway', '{"error":{"type":"x","message":"no such tenant"}}', 'no such tenant'],
  ['another error of a gateway', ' {"error":"no such tenant"}', 'no such tenant'],
  ['JSON that is cut', '{"message":"line too', '{"message":"line too'],
  ['text', 'entry too far behind\n', 'entry too far behind'],
  ['a page', '<html>\n<h1>502 Bad Gateway</h1><hr>nginx</html>', '502 Bad Gateway nginx'],
  ['nothing', '', ''],
])('reads %s', (_, body, message) => {
  expect(serverMessage(Buffer.from(body))).toBe(message);
});

test('returns a short readable line, whatever the bytes are', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 3000 }), fc.string({ maxLength: 3000, unit: 'binary' })),
      (body) => {
        const message = serverMessage(Buffer.from(body));
        expect(message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        expect(message.isWellFormed()).toBe(true);
        // Each of 500 characters can take ten when it is escaped.
        expect(message.length).toBeLessThanOrEqual(5001);
      },
    ),
  );
});

test('a truncated protobuf Status ends where its bytes end', () => {
  const whole = status(3, 'line too long');
  for (let length = 0; length <= whole.length; length++) serverMessage(whole.subarray(0, length));
  expect(serverMessage(whole.subarray(0, 8))).toBe('line');
});
