/**
 * Sums over objects that were listed and not shipped, kept up to date as objects come and go.
 */
import type { DeliveredObject, ObjectId } from '../model/object.ts';

export interface ObjectSum {
  objectCount: number;
  sizeBytes: number;
  /** Modification time of the oldest object; infinity if there is none. */
  oldestMs: number;
}

/** Objects without a date are under the empty one. */
export type SumsByDate = Map<string, ObjectSum>;

/** The objects themselves, until each was visited. */
export class PendingObjects {
  readonly #objects = new Map<ObjectId, DeliveredObject>();
  #sizeBytes = 0;
  /** Oldest last, with objects that are no longer pending. */
  #byAge: DeliveredObject[] = [];

  add(objects: Iterable<DeliveredObject>): void {
    for (const object of objects) {
      this.delete(object);
      this.#objects.set(object.origin.id, object);
      this.#sizeBytes += object.version.sizeBytes;
    }
    this.#byAge = [...this.#objects.values()].sort(
      (one, other) => other.version.modifiedAtMs - one.version.modifiedAtMs,
    );
  }

  delete({ origin: { id } }: DeliveredObject): void {
    this.#sizeBytes -= this.#objects.get(id)?.version.sizeBytes ?? 0;
    this.#objects.delete(id);
  }

  values(): readonly DeliveredObject[] {
    return [...this.#objects.values()];
  }

  sum(): ObjectSum {
    for (let last = this.#byAge.at(-1); last !== undefined; last = this.#byAge.at(-1)) {
      if (this.#objects.get(last.origin.id) === last) break;
      this.#byAge.pop();
    }
    const oldestMs = this.#byAge.at(-1)?.version.modifiedAtMs ?? Number.POSITIVE_INFINITY;
    return { objectCount: this.#objects.size, sizeBytes: this.#sizeBytes, oldestMs };
  }
}

export function addOnDate(sums: SumsByDate, date: string, more: ObjectSum): void {
  sums.set(date, sumOf([sums.get(date) ?? nothing, more]));
}

export function sumOf(sums: Iterable<ObjectSum>): ObjectSum {
  const all = { ...nothing };
  for (const { objectCount, sizeBytes, oldestMs } of sums) {
    all.objectCount += objectCount;
    all.sizeBytes += sizeBytes;
    all.oldestMs = Math.min(all.oldestMs, oldestMs);
  }
  return all;
}

const nothing: ObjectSum = { objectCount: 0, sizeBytes: 0, oldestMs: Number.POSITIVE_INFINITY };
