/**
 * A store that is empty at first, inside of one that is not: all partitions get a prefix.
 */
import type { ItemKey, SharedStore } from '../../src/sharing/store.ts';

const never = new AbortController().signal;
/** A partition has at most 1,900 bytes. */
const partitionBytesMax = 1_900;

export function partOfStore(prefix: string) {
  const [registers, batchItems] = [new Map<string, ItemKey>(), new Map<string, ItemKey>()];
  const inside = ({ partition, sort }: ItemKey): ItemKey => ({
    partition: (prefix + partition).slice(0, partitionBytesMax),
    sort,
  });
  const outside = <Item extends { readonly key: ItemKey }>(item: Item): Item => {
    return { ...item, key: { ...item.key, partition: item.key.partition.slice(prefix.length) } };
  };
  const noted = (keys: Map<string, ItemKey>, key: ItemKey): ItemKey => {
    const found = inside(key);
    keys.set(JSON.stringify(found), found);
    return found;
  };

  return {
    of(store: SharedStore): SharedStore {
      return {
        name: store.name,
        read: (key, signal) => store.read(inside(key), signal),
        readMany: (keys, signal) => store.readMany(keys.map(inside), signal),
        async *registers(partition, signal) {
          for await (const page of store.registers(prefix + partition, signal)) yield page.map(outside);
        },
        async *scan(signal) {
          for await (const page of store.scan(signal)) {
            yield page.filter(({ key }) => key.partition.startsWith(prefix)).map(outside);
          }
        },
        compareAndSet: (key, ...others) => store.compareAndSet(noted(registers, key), ...others),
        removeRegister: (key, ...others) => store.removeRegister(inside(key), ...others),
        putBatchItem: (item, signal) => store.putBatchItem({ ...item, key: noted(batchItems, item.key) }, signal),
        async *batchItems(partition, ...others) {
          for await (const page of store.batchItems(prefix + partition, ...others)) yield page.map(outside);
        },
        removeBatchItems: (keys, signal) => store.removeBatchItems(keys.map(inside), signal),
        close: () => store.close(),
      };
    },
    async removeAll(store: SharedStore): Promise<void> {
      for (const key of registers.values()) {
        const found = await store.read(key, never);
        if (found !== undefined) await store.removeRegister(key, found.revision, never);
      }
      await store.removeBatchItems([...batchItems.values()], never);
    },
  };
}
