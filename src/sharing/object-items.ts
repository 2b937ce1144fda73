/**
 * Reads the batch items that the register of an object names, and merges them when they are many. An object may have millions of
 * settled lines, so they are read page by page, and nobody who ships keeps them.
 *
 * A part of the hashes must never be taken for all of them, and items expire. So they are counted each time that they are read. Counting
 * is what decides, because clocks of agents and of the engine may differ by days.
 */
import type { Announcement, SettledLines } from '../contracts/delivery-state.ts';
import { AgentError } from '../model/agent-error.ts';
import type { ObjectId } from '../model/object.ts';
import {
  fromItem,
  fromSettledItem,
  type ItemNames,
  itemsSince,
  joinedByTime,
  linesPerItemMax,
  mergedItems,
  NamedItems,
  sortKeyOf,
  toSettledContents,
} from './batch-items.ts';
import { type ObjectRegister, partitionOf } from './object-register.ts';
import type { PatientStore } from './patient-store.ts';
import type { BatchItem } from './store.ts';

export interface FoundItems {
  readonly announced: readonly Announcement[];
  /** False if a settled item is missing: it has expired. The object has no line hashes any more. */
  readonly isComplete: boolean;
}

/**
 * Consistent. Read it after the claim, so that nobody adds to it.
 * @param onSettled called with the lines of each settled item, oldest first.
 */
export async function readItems(
  store: PatientStore,
  register: ItemNames,
  signal: AbortSignal,
  onSettled: (lines: SettledLines) => void,
): Promise<FoundItems> {
  return await findItems(store, register, signal, (item) => onSettled(fromSettledItem(item)));
}

/** As `readItems`, for whoever does not need the settled lines yet. */
export async function countItems(store: PatientStore, register: ItemNames, signal: AbortSignal): Promise<FoundItems> {
  return await findItems(store, register, signal, () => {});
}

async function findItems(
  store: PatientStore,
  register: ItemNames,
  signal: AbortSignal,
  onSettled: (item: BatchItem) => void,
): Promise<FoundItems> {
  const announced: Announcement[] = [];
  const names = new NamedItems(register);
  let settledCount = 0;
  for await (const page of pagesOf(store, register, signal)) {
    for (const item of page) {
      const kind = names.kindOf(item.key);
      if (kind === 'announced') announced.push(fromItem(item));
      if (kind !== 'settled') continue;
      settledCount++;
      onSettled(item);
    }
  }
  return { announced, isComplete: register.hasLineHashes && settledCount === names.settledCount };
}

/**
 * The settled lines, page by page and oldest first. None if the object has no line hashes.
 * Rejects at the end if an item is missing. The next claim finds that, too, and does without line hashes.
 */
export async function* settledLines(
  store: PatientStore,
  register: ItemNames,
  signal: AbortSignal,
): AsyncIterable<SettledLines> {
  const names = new NamedItems(register);
  if (names.settledCount === 0) return;
  let count = 0;
  for await (const page of pagesOf(store, register, signal)) {
    for (const item of page) {
      if (names.kindOf(item.key) !== 'settled') continue;
      count++;
      yield fromSettledItem(item);
    }
  }
  if (count < names.settledCount) throw explainExpired(register.id);
}

/** All items that can be among those of the register. Merged ones are older. */
async function* pagesOf(
  store: PatientStore,
  register: ItemNames,
  signal: AbortSignal,
): AsyncIterable<readonly BatchItem[]> {
  const { id, visits, merged, hasLineHashes } = register;
  const partition = partitionOf(id);
  if (merged !== undefined && hasLineHashes) yield* store.batchItems(partition, mergedItems(merged), signal);
  const { settledCount, announcedCount } = new NamedItems({ ...register, merged: undefined });
  if (settledCount + announcedCount === 0) return;
  yield* store.batchItems(partition, itemsSince(Math.min(...visits.map(({ epoch }) => epoch))), signal);
}

/**
 * Puts the settled lines of all visits into few items.
 * @returns the register that names these instead. What it does not name any more goes when it expires.
 */
export async function mergeItems(
  store: PatientStore,
  register: ObjectRegister,
  { token, expiresAtMs }: { readonly token: string; readonly expiresAtMs: number },
  signal: AbortSignal,
): Promise<ObjectRegister> {
  const { id, epoch } = register;
  const merged = { epoch, token };
  let count = 0;
  for await (const content of mergedContents(settledLines(store, register, signal))) {
    const key = { partition: partitionOf(id), sort: sortKeyOf('merged', merged, count++) };
    await store.put({ key, content, expiresAtMs }, signal);
  }
  return {
    ...register,
    merged: { ...merged, count },
    visits: register.visits
      .filter(({ settledCount, admittedCount }) => settledCount < admittedCount)
      .map((visit) => ({ ...visit, mergedCount: visit.settledCount, extraCount: 0 })),
  };
}

/** Neighbours that were sent with the same observed time share an item, as far as they fit. */
async function* mergedContents(lines: AsyncIterable<SettledLines>): AsyncIterable<Uint8Array> {
  let parts: SettledLines[] = [];
  let lineCount = 0;
  for await (const each of lines) {
    const partLines = each.lineHashes.length / 2;
    if (parts.length > 0 && (parts[0]?.observedAtMs !== each.observedAtMs || lineCount + partLines > linesPerItemMax)) {
      yield* joinedByTime(parts).flatMap(toSettledContents);
      [parts, lineCount] = [[], 0];
    }
    parts.push(each);
    lineCount += partLines;
  }
  yield* joinedByTime(parts).flatMap(toSettledContents);
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

function explainExpired(id: ObjectId): AgentError {
  return new AgentError(
    'ERR_STATE_UNAVAILABLE',
    `Line hashes of ${id} expired in the shared state while they were read`,
    {
      hint: 'Nothing needs to be done: the object is visited again, and continues after the settled position.',
    },
  );
}
