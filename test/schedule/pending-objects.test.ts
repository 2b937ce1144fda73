/**
 * The running sums of pending objects.
 */

import { expect, it } from 'vitest';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';
import { PendingObjects } from '../../src/schedule/pending-objects.ts';
import { memoryObject } from '../support/memory-object.ts';
import { fc } from '../support/property-tests.ts';

const object = fc
  .record({ name: fc.constantFrom('a', 'b', 'c', 'd'), content: fc.string(), modifiedAtMs: fc.nat({ max: 9 }) })
  .map(({ name, content, modifiedAtMs }): DeliveredObject => {
    const made = memoryObject(content, { modifiedAtMs });
    return { ...made, origin: { ...made.origin, id: name as ObjectId } };
  });

it('are those of the objects that were added and not deleted, whatever the order', () => {
  const change = fc.oneof(fc.array(object), object);
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const pending = new PendingObjects();
      const expected = new Map<ObjectId, DeliveredObject>();
      for (const change of changes) {
        if ('origin' in change) {
          pending.delete(change);
          expected.delete(change.origin.id);
        } else {
          pending.add(change);
          for (const each of change) expected.set(each.origin.id, each);
        }
        const versions = [...expected.values()].map(({ version }) => version);
        expect(pending.sum()).toEqual({
          objectCount: versions.length,
          sizeBytes: versions.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
          oldestMs: Math.min(...versions.map(({ modifiedAtMs }) => modifiedAtMs)),
        });
      }
    }),
  );
});
