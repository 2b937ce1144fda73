import { expect, test } from 'vitest';
import { silentLogger } from '../../src/runtime/logger.ts';
import { SampledLog } from '../../src/runtime/sampled-log.ts';
import { ManualClock } from '../support/manual-clock.ts';

test('logs a message once every five minutes with the number of omitted lines, even if the clock is set back', async () => {
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  const logged: object[] = [];
  const log = new SampledLog(clock, { ...silentLogger, warn: (fields) => logged.push(fields) });
  const minute = 60_000;
  for (const passed of [0, minute, 5 * minute, -24 * 60 * minute]) {
    await clock.advance(passed);
    log.write('warn', {}, 'unusual');
  }
  expect(logged).toEqual([{}, { omitted: 1 }, {}]);
});
