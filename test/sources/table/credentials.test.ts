/**
 * A token that several requests wait for.
 */
import { expect, it } from 'vitest';
import { Credentials } from '../../../src/sources/table/credentials.ts';
import type { HttpAnswer, Send } from '../../../src/sources/table/http.ts';
import { ManualClock } from '../../support/manual-clock.ts';

it('does not fail for others when the request that asked for it is given up', async () => {
  let requestCount = 0;
  const send: Send = (_, signal) => {
    if (++requestCount > 1) return Promise.resolve({ status: 200, body: { access_token: 'new' } });
    return new Promise<HttpAnswer>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  };
  const authentication = { type: 'oauth-m2m', clientId: 'id', clientSecret: 'secret' } as const;
  const credentials = new Credentials(
    'https://host',
    () => authentication,
    send,
    new ManualClock('2026-01-31T12:00:00Z'),
  );
  const given = new AbortController();
  const reason = new DOMException('timeout', 'TimeoutError');
  const gaveUp = credentials.header(given.signal).catch((error: unknown) => error);
  const others = [1, 2].map(() => credentials.header(new AbortController().signal));
  await expect.poll(() => requestCount).toBe(1);
  given.abort(reason);
  expect(await gaveUp).toBe(reason);
  expect((await Promise.all(others)).map(({ value }) => value)).toEqual(['Bearer new', 'Bearer new']);
  expect(requestCount).toBe(2);
});
