import { expect, test } from 'vitest';
import type { Candidate } from '../../src/contracts/source.ts';
import type { VisitOutcome } from '../../src/contracts/visit-outcome.ts';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';
import { Elsewhere } from '../../src/schedule/elsewhere.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryObject } from '../support/memory-object.ts';

const never = new AbortController().signal;

function candidate(name: string): Candidate {
  const object = memoryObject('{}\n');
  return { object: { ...object, origin: { ...object.origin, id: name as ObjectId } }, settle: () => {} };
}

/** Looks at two objects until they are left or the time is over. */
async function look(settledAfterMs: number, visit: (object: DeliveredObject) => VisitOutcome, signal = never) {
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  const startMs = clock.nowMs();
  const visited: string[] = [];
  const unsettled = async (objects: readonly DeliveredObject[]) =>
    objects.filter(({ origin }) => origin.id !== 'one' || clock.nowMs() - startMs < settledAfterMs);
  const elsewhere = new Elsewhere({ state: { unsettled }, clock }, 60_000);
  const [one, other] = [candidate('one'), candidate('other')];
  elsewhere.add(one);
  elsewhere.add(other);
  let left: Awaited<ReturnType<Elsewhere['settle']>> | undefined;
  const settling = elsewhere
    .settle(async ({ object }) => {
      visited.push(object.origin.id);
      return visit(object);
    }, signal)
    .then((result) => {
      left = result;
    });
  for (let second = 0; second < 120 && left === undefined; second++) await clock.advance(1000);
  await settling;
  const names = (candidates: readonly Candidate[] = []) => candidates.map(({ object }) => object.origin.id);
  return { settled: names(left?.settled), held: names(left?.held), visited, takesMs: clock.nowMs() - startMs };
}

test('waits until another process has settled an object, or it can be visited here', async () => {
  const { settled, held, visited, takesMs } = await look(5_000, ({ origin }) =>
    origin.id === 'one' ? { status: 'elsewhere' } : { status: 'settled' },
  );
  expect({ settled, held }).toEqual({ settled: ['one'], held: [] });
  expect(visited.filter((id) => id === 'other')).toHaveLength(1);
  expect(takesMs).toBe(6_000);
});

test('gives up before the next poll, and says what is still held', async () => {
  const { settled, held, takesMs } = await look(5_000, () => ({ status: 'elsewhere' }));
  expect({ settled, held }).toEqual({ settled: ['one'], held: ['other'] });
  expect(takesMs).toBeLessThan(60_000);
});

test('ends at once when the signal aborts', async () => {
  const { held, visited } = await look(
    5_000,
    () => ({ status: 'elsewhere' }),
    AbortSignal.abort(new Error('stopping')),
  );
  expect(held).toEqual(['one', 'other']);
  expect(visited).toEqual([]);
});
