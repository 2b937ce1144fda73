/**
 * A clock that is off by a day. What was shipped is identified by digests and hashes, and no record contains a time that was read
 * from the clock. It only decides which dates a poll lists, and when line hashes are dropped.
 */
import { describe, expect, it } from 'vitest';
import { runHere } from '../../support/agent-here.ts';
import { expectNothingLost, repeatedUids } from '../../support/deliveries.ts';
import { auditLines, deliveryKey, deliveryScene, directoryPlace } from '../../support/delivery-place.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const [before, today, tomorrow] = ['2026-02-01', '2026-02-02', '2026-02-03'];
const keyOf = (date: string) => deliveryKey('1', 'auditlogs_1.json', date);
const noonOf = (date: string) => new ManualClock(`${date}T12:00:00Z`);

describe('a clock', () => {
  it('that is set back by a day changes neither the start date nor what is known, and objects with a future date are shipped', async () => {
    const { place, receiver, environment } = await deliveryScene(directoryPlace(), { DATABRICKS_AUDIT_START: 'now' });
    const arrived = (count: number) => () => receiver.accepted.length >= count;
    await place.deliver(keyOf(before), auditLines(3, 900));
    await place.deliver(keyOf(today), auditLines(6));
    await runHere(environment, noonOf(today), arrived(6));

    await place.deliver(keyOf(today), auditLines(9));
    await place.deliver(keyOf(tomorrow), auditLines(6, 500));
    await runHere(environment, noonOf(before), arrived(15));
    expectNothingLost(receiver, [...auditLines(9), ...auditLines(6, 500)]);
    expect(repeatedUids(receiver)).toEqual([]);
    expect(receiver.accepted).toHaveLength(15);
  });

  it('that is set forward by a day and back again loses nothing, and repeats nothing of objects that were extended', async () => {
    const { place, receiver, environment } = await deliveryScene(directoryPlace(), { DATABRICKS_AUDIT_LOOKBACK: '1d' });
    const arrived = (count: number) => () => receiver.accepted.length >= count;
    await place.deliver(keyOf(before), auditLines(6));
    await place.deliver(keyOf(today), auditLines(6, 100));
    await runHere(environment, noonOf(today), arrived(12));

    // This drops the line hashes of the day before.
    await place.deliver(keyOf(today), auditLines(7, 100));
    await runHere(environment, noonOf(tomorrow), arrived(13));

    await place.deliver(keyOf(before), auditLines(9));
    await place.deliver(keyOf(today), [...auditLines(2, 700), ...auditLines(7, 100).toReversed()]);
    await runHere(environment, noonOf(today), arrived(18));
    expectNothingLost(receiver, [...auditLines(9), ...auditLines(7, 100), ...auditLines(2, 700)]);
    expect(repeatedUids(receiver)).toEqual([]);
    expect(receiver.accepted).toHaveLength(18);
  });
});
