/**
 * Reads the batch items that the register of an object names, and merges them when they are many.
 */
import type { Announcement, SettledLines } from '../contracts/delivery-state.ts';
import {
  fromItem,
  fromSettledItem,
  itemsSince,
  joinedByTime,
  mergedItems,
  namesOf,
  sortKeyOf,
  toSettledContents,
} from './batch-items.ts';
import { type ObjectRegister, partitionOf } from './object-register.ts';
import type { PatientStore } from './patient-store.ts';
import type { BatchItem } from './store.ts';

export interface ObjectItems {
  /** Of each settled item, oldest first. */
  readonly settled: readonly SettledLines[];
  readonly announced: readonly Announcement[];
  /**
   * False if a settled item is missing: it has expired. A part of the hashes must never be taken for all of them, so the object has
   * no line hashes any more. Counting is what decides, because clocks of agents and of the engine may differ by days.
   */
  readonly isComplete: boolean;
}

/** Consistent. Read it after the claim, so that nobody adds to it. */
export async function readItems(
  store: PatientStore,
  register: Pick<ObjectRegister, 'id' | 'visits' | 'merged' | 'hasLineHashes'>,
  signal: AbortSignal,
): Promise<ObjectItems> {
  const { id, visits, merged, hasLineHashes } = register;
  const partition = partitionOf(id);
  const names = visits.map(namesOf);
  const settledNames: string[] = [];
  if (merged !== undefined && hasLineHashes)
    for (let number = 0; number < merged.count; number++) settledNames.push(sortKeyOf('merged', merged, number));
  if (hasLineHashes) settledNames.push(...names.flatMap(({ settled }) => settled));
  const announcedNames = names.flatMap(({ announced }) => announced);
  const found = new Map<string, BatchItem>();
  const read = async (range: { readonly from: string; readonly before: string }) => {
    for (const item of await store.batchItems(partition, range, signal)) found.set(item.key.sort, item);
  };
  if (settledNames.length + announcedNames.length > 0 && visits.length > 0)
    await read(itemsSince(Math.min(...visits.map(({ epoch }) => epoch))));
  if (merged !== undefined && hasLineHashes) await read(mergedItems(merged));
  const itemsOf = (wanted: readonly string[]) => wanted.flatMap((name) => found.get(name) ?? []);
  const settled = itemsOf(settledNames);
  return {
    settled: settled.map(fromSettledItem),
    announced: itemsOf(announcedNames).map(fromItem),
    isComplete: hasLineHashes && settled.length === settledNames.length,
  };
}

/**
 * Puts the settled lines of all visits into few items.
 * @returns the register that names these instead. What it does not name any more goes when it expires.
 */
export async function mergeItems(
  store: PatientStore,
  register: ObjectRegister,
  { settled }: ObjectItems,
  { token, expiresAtMs }: { readonly token: string; readonly expiresAtMs: number },
  signal: AbortSignal,
): Promise<ObjectRegister> {
  const { id, epoch } = register;
  const merged = { epoch, token };
  const contents = joinedByTime(settled).flatMap(toSettledContents);
  for (const [number, content] of contents.entries()) {
    const key = { partition: partitionOf(id), sort: sortKeyOf('merged', merged, number) };
    await store.put({ key, content, expiresAtMs }, signal);
  }
  return {
    ...register,
    merged: { ...merged, count: contents.length },
    visits: register.visits
      .filter(({ settledCount, admittedCount }) => settledCount < admittedCount)
      .map((visit) => ({ ...visit, mergedCount: visit.settledCount, extraCount: 0 })),
  };
}

/** The register without settled lines: from now on, only the position tells what is settled. */
export function withoutLineHashes(register: ObjectRegister): ObjectRegister {
  return {
    ...register,
    hasLineHashes: false,
    merged: undefined,
    visits: register.visits
      .filter(({ settledCount, admittedCount }) => settledCount < admittedCount)
      .map((visit) => ({ ...visit, mergedCount: visit.settledCount, extraCount: 0 })),
  };
}
