/**
 * A model of the store behind a shared state: what every engine has to do, in memory. Tests and the simulation wrap it to make
 * it fail, and each engine passes the same contract tests.
 */
import type { BatchItem, ItemKey, Register, RegisterEntry, SharedStore } from '../../src/sharing/store.ts';

/** What the engine has stored. Several connections (`ModelStore`) share it. */
export class StoredItems {
  readonly registers = new Map<string, RegisterEntry>();
  readonly batchItems = new Map<string, BatchItem>();

  /** Deletes the expired items for which `take` is true, as an engine may at any time. */
  expire(nowMs: number, take: (item: BatchItem) => boolean = () => true): void {
    for (const [name, item] of this.batchItems) {
      if (item.expiresAtMs !== undefined && item.expiresAtMs <= nowMs && take(item)) this.batchItems.delete(name);
    }
  }
}

/** Small, so that tests see several pages. */
const pageSize = 3;

export class ModelStore implements SharedStore {
  readonly name: string = 'model://state';
  readonly items: StoredItems;

  constructor(items = new StoredItems()) {
    this.items = items;
  }

  async read(key: ItemKey, signal: AbortSignal): Promise<Register | undefined> {
    signal.throwIfAborted();
    return this.items.registers.get(nameOf(key));
  }

  async readMany(keys: readonly ItemKey[], signal: AbortSignal): Promise<readonly (Register | undefined)[]> {
    signal.throwIfAborted();
    return keys.map((key) => this.items.registers.get(nameOf(key)));
  }

  async *registers(partition: string, signal: AbortSignal): AsyncIterable<readonly RegisterEntry[]> {
    const entries = [...this.items.registers.values()].filter(({ key }) => key.partition === partition);
    yield* pagesOf(entries, signal);
  }

  async *scan(signal: AbortSignal): AsyncIterable<readonly RegisterEntry[]> {
    yield* pagesOf([...this.items.registers.values()], signal);
  }

  async compareAndSet(
    key: ItemKey,
    expected: string | undefined,
    next: Register,
    signal: AbortSignal,
  ): Promise<'written' | 'refused'> {
    signal.throwIfAborted();
    if (this.items.registers.get(nameOf(key))?.revision !== expected) return 'refused';
    this.items.registers.set(nameOf(key), { ...next, key });
    return 'written';
  }

  async removeRegister(key: ItemKey, expected: string, signal: AbortSignal): Promise<'removed' | 'refused'> {
    signal.throwIfAborted();
    if (this.items.registers.get(nameOf(key))?.revision !== expected) return 'refused';
    this.items.registers.delete(nameOf(key));
    return 'removed';
  }

  async putBatchItem(item: BatchItem, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.items.batchItems.set(nameOf(item.key), { ...item, content: Uint8Array.from(item.content) });
  }

  async *batchItems(
    partition: string,
    range: { readonly from: string; readonly before: string },
    signal: AbortSignal,
  ): AsyncIterable<readonly BatchItem[]> {
    const items = [...this.items.batchItems.values()]
      .filter(({ key }) => key.partition === partition)
      .filter(({ key }) => compareBytes(key.sort, range.from) >= 0 && compareBytes(key.sort, range.before) < 0)
      .sort((one, other) => compareBytes(one.key.sort, other.key.sort));
    yield* pagesOf(items, signal);
  }

  async removeBatchItems(keys: readonly ItemKey[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    for (const key of keys) this.items.batchItems.delete(nameOf(key));
  }

  async close(): Promise<void> {}
}

function nameOf({ partition, sort }: ItemKey): string {
  return `${partition}\0${sort}`;
}

function compareBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

function* pagesOf<Item>(items: readonly Item[], signal: AbortSignal): Iterable<readonly Item[]> {
  for (let at = 0; at < items.length; at += pageSize) {
    signal.throwIfAborted();
    yield items.slice(at, at + pageSize);
  }
}
