/**
 * Looks for objects in a shared state by what their ids begin with.
 */
import type { ObjectId } from '../model/object.ts';
import { isObjectKey, isPristine, parseObjectRegister, partitionOf } from './object-register.ts';
import type { SharedStore } from './store.ts';

/**
 * Scans the registers until one is found: engines find an object by its whole id only. Objects with very long ids are not found, as only
 * their hash is in the key. Rejects as the store does, also if the right to scan is missing.
 */
export async function knowsAny(
  store: Pick<SharedStore, 'scan'>,
  idsBeginWith: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const partitionsBeginWith = idsBeginWith.map((start) => partitionOf(start as ObjectId));
  for await (const page of store.scan(signal)) {
    for (const entry of page) {
      const { key } = entry;
      if (!isObjectKey(key) || !partitionsBeginWith.some((start) => key.partition.startsWith(start))) continue;
      const register = parseObjectRegister(key, entry);
      if (register === 'newer' || !isPristine(register)) return true;
    }
  }
  return false;
}
