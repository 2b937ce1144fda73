/**
 * Contract tests for every engine of a shared state (src/sharing/store.ts).
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { BatchItem, ItemKey, Register, SharedStore } from '../../src/sharing/store.ts';

const never = new AbortController().signal;

/** Opens connections to one and the same store, which is empty at first. */
export type Place = () => Promise<SharedStore>;

export function describeStore(name: string, createPlace: () => Promise<Place>): void {
  describe(`a store ${name}`, () => {
    async function openStores(count = 1): Promise<[SharedStore, ...SharedStore[]]> {
      const place = await createPlace();
      const stores = await Promise.all(Array.from({ length: count }, () => place()));
      onTestFinished(async () => {
        for (const store of stores) await store.close();
      });
      return stores as [SharedStore, ...SharedStore[]];
    }

    test('has no register until one is created', async () => {
      const [store] = await openStores();
      expect(await store.read(key('o#a', 'h'), never)).toBeUndefined();
      expect(await store.compareAndSet(key('o#a', 'h'), 'some revision', register('one'), never)).toBe('refused');
      expect(await store.read(key('o#a', 'h'), never)).toBeUndefined();
    });

    test('replaces a register only if its revision is the expected one', async () => {
      const [store, other] = (await openStores(2)) as [SharedStore, SharedStore];
      const [first, second, third] = [register('first'), register('second, ü "quoted" \u{1F600}'), register('third')];
      expect(await store.compareAndSet(key('o#a', 'h'), undefined, first, never)).toBe('written');
      expect(await other.compareAndSet(key('o#a', 'h'), undefined, third, never)).toBe('refused');
      expect(await other.read(key('o#a', 'h'), never)).toMatchObject(first);
      expect(await other.compareAndSet(key('o#a', 'h'), first.revision, second, never)).toBe('written');
      expect(await store.compareAndSet(key('o#a', 'h'), first.revision, third, never)).toBe('refused');
      expect(await store.read(key('o#a', 'h'), never)).toMatchObject(second);
    });

    test('refuses a write that it has performed already', async () => {
      const [store] = await openStores();
      const first = register('first');
      await store.compareAndSet(key('o#a', 'h'), undefined, first, never);
      expect(await store.compareAndSet(key('o#a', 'h'), undefined, first, never)).toBe('refused');
    });

    test('lets one of many that race for a register create it', async () => {
      const stores = await openStores(4);
      const writers = Array.from({ length: 24 }, (_, index) => ({
        store: stores[index % stores.length] as SharedStore,
        next: register(`writer ${index}`),
      }));
      const ends = await Promise.all(
        writers.map(({ store, next }) => store.compareAndSet(key('o#a', 'h'), undefined, next, never)),
      );
      expect(ends.filter((end) => end === 'written')).toHaveLength(1);
      const winner = writers[ends.indexOf('written')]?.next;
      expect(await stores[0].read(key('o#a', 'h'), never)).toMatchObject({ ...winner });
    });

    test('counts every increment of those that race to raise a counter', async () => {
      const stores = await openStores(4);
      await stores[0].compareAndSet(key('replicas', 'a'), undefined, register('0'), never);
      const increment = async (store: SharedStore): Promise<void> => {
        const found = (await store.read(key('replicas', 'a'), never)) as Register;
        const end = await store.compareAndSet(
          key('replicas', 'a'),
          found.revision,
          register(`${Number(found.value) + 1}`),
          never,
        );
        if (end === 'refused') await increment(store);
      };
      await Promise.all(
        stores.map(async (store) => {
          for (let times = 0; times < 5; times++) await increment(store);
        }),
      );
      expect((await stores[0].read(key('replicas', 'a'), never))?.value).toBe('20');
    });

    test('keeps values of up to 64 KiB', async () => {
      const [store] = await openStores();
      const next = register('v'.repeat(65_536));
      await store.compareAndSet(key('o#a', 'h'), undefined, next, never);
      expect(await store.read(key('o#a', 'h'), never)).toMatchObject(next);
    });

    test('tells apart keys of any text, also long ones', async () => {
      const [store] = await openStores();
      const partitions = [
        'o#s3://a/b c+d%20ü~=',
        'o#s3://a/b',
        'o#s3://a/b/',
        `o#${'long/'.repeat(370)}`,
        'O#S3://A/B',
      ];
      for (const partition of partitions)
        await store.compareAndSet(key(partition, 'h'), undefined, register(partition), never);
      for (const partition of partitions)
        expect((await store.read(key(partition, 'h'), never))?.value, partition).toBe(partition);
    });

    test('reads many registers in the order of their keys', async () => {
      const [store] = await openStores();
      const keys = Array.from({ length: 230 }, (_, index) => key(`o#${index}`, 'h'));
      await Promise.all(
        keys.map(async (each, index) => {
          if (index % 2 === 0) await store.compareAndSet(each, undefined, register(each.partition), never);
        }),
      );
      const found = await store.readMany(keys, never);
      expect(found.map((each) => each?.value)).toEqual(
        keys.map(({ partition }, index) => (index % 2 === 0 ? partition : undefined)),
      );
      expect(await store.readMany([], never)).toEqual([]);
    });

    test('lists the registers of a partition, and all of them, without batch items', async () => {
      const [store] = await openStores();
      const keys = [key('replicas', 'a'), key('replicas', 'b'), key('o#a', 'h'), key('workspaces', '-')];
      for (const each of keys) await store.compareAndSet(each, undefined, register(each.sort), never);
      await store.putBatchItem(batchItem('o#a', 'b#1', [1]), never);
      await store.putBatchItem(batchItem('replicas', 'b#1', [1]), never);
      const replicas = (await all(store.registers('replicas', never))).map((each) => [each.key.sort, each.value]);
      expect(replicas.sort()).toEqual([
        ['a', 'a'],
        ['b', 'b'],
      ]);
      const scanned = (await all(store.scan(never))).map((each) => `${each.key.partition} ${each.key.sort}`);
      expect(scanned.sort()).toEqual(['o#a h', 'replicas a', 'replicas b', 'workspaces -']);
    });

    test('removes a register only if its revision is the expected one', async () => {
      const [store] = await openStores();
      const first = register('first');
      await store.compareAndSet(key('replicas', 'a'), undefined, first, never);
      expect(await store.removeRegister(key('replicas', 'a'), 'another', never)).toBe('refused');
      expect(await store.read(key('replicas', 'a'), never)).toMatchObject(first);
      expect(await store.removeRegister(key('replicas', 'a'), first.revision, never)).toBe('removed');
      expect(await store.read(key('replicas', 'a'), never)).toBeUndefined();
      expect(await store.removeRegister(key('replicas', 'a'), first.revision, never)).toBe('refused');
      expect(await store.compareAndSet(key('replicas', 'a'), undefined, register('again'), never)).toBe('written');
    });

    test('returns the batch items of a range, ordered by the bytes of their sort keys', async () => {
      const [store] = await openStores();
      for (const sort of ['m#2', 'b#10', 'b#2', 'b#B', 'b#a', 'b#1', 'a#1'])
        await store.putBatchItem(batchItem('o#a', sort, [...Buffer.from(sort)]), never);
      await store.putBatchItem(batchItem('o#b', 'b#1', [9]), never);
      await store.compareAndSet(key('o#a', 'h'), undefined, register('a register'), never);
      const sorts = async (from: string, before: string) =>
        (await all(store.batchItems('o#a', { from, before }, never))).map((item) => {
          expect(Buffer.from(item.content).toString()).toBe(item.key.sort);
          return item.key.sort;
        });
      expect(await sorts('b#', 'b$')).toEqual(['b#1', 'b#10', 'b#2', 'b#B', 'b#a']);
      expect(await sorts('b#10', 'b#B')).toEqual(['b#10', 'b#2']);
      expect(await sorts('', '~')).toEqual(['a#1', 'b#1', 'b#10', 'b#2', 'b#B', 'b#a', 'm#2']);
      expect(await sorts('x', 'y')).toEqual([]);
    });

    test('keeps batch items of 256 KiB, and more in all than fits into one page', async () => {
      const [store] = await openStores();
      const content = Uint8Array.from({ length: 262_144 }, (_, index) => index % 251);
      for (let number = 0; number < 6; number++)
        await store.putBatchItem({ ...batchItem('o#a', `b#${number}`, []), content }, never);
      const found = await all(store.batchItems('o#a', { from: 'b#', before: 'b$' }, never));
      expect(found.map((item) => Buffer.compare(item.content, content))).toEqual([0, 0, 0, 0, 0, 0]);
    });

    test('puts the same batch item any number of times, and removes those that exist', async () => {
      const [store] = await openStores();
      const item = batchItem('o#a', 'b#1', [1, 2, 3]);
      await store.putBatchItem(item, never);
      await store.putBatchItem(item, never);
      expect(await all(store.batchItems('o#a', { from: 'b', before: 'c' }, never))).toHaveLength(1);
      const many = Array.from({ length: 60 }, (_, index) => key('o#a', `b#${index}`));
      await store.removeBatchItems(many, never);
      expect(await all(store.batchItems('o#a', { from: 'b', before: 'c' }, never))).toEqual([]);
      await store.removeBatchItems([], never);
    });

    test('keeps a batch item that has not expired, or never expires', async () => {
      const [store] = await openStores();
      await store.putBatchItem({ ...batchItem('o#a', 'b#1', [1]), expiresAtMs: Date.now() + 3_600_000 }, never);
      await store.putBatchItem({ ...batchItem('o#a', 'b#2', [2]), expiresAtMs: undefined }, never);
      const found = await all(store.batchItems('o#a', { from: 'b', before: 'c' }, never));
      expect(found.map(({ key: { sort } }) => sort)).toEqual(['b#1', 'b#2']);
    });

    test('rejects with the reason of a signal that has aborted', async () => {
      const [store] = await openStores();
      const reason = new Error('stopping');
      const aborted = AbortSignal.abort(reason);
      await expect(store.read(key('o#a', 'h'), aborted)).rejects.toBe(reason);
      await expect(store.compareAndSet(key('o#a', 'h'), undefined, register('a'), aborted)).rejects.toBe(reason);
      await expect(store.putBatchItem(batchItem('o#a', 'b#1', [1]), aborted)).rejects.toBe(reason);
      expect(await store.read(key('o#a', 'h'), never)).toBeUndefined();
    });
  });
}

function key(partition: string, sort: string): ItemKey {
  return { partition, sort };
}

function register(value: string): Register {
  return { revision: randomUUID(), value };
}

function batchItem(partition: string, sort: string, content: readonly number[]): BatchItem {
  return { key: key(partition, sort), content: Uint8Array.from(content), expiresAtMs: Date.now() + 86_400_000 };
}

async function all<Item>(pages: AsyncIterable<readonly Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const page of pages) items.push(...page);
  return items;
}
