/**
 * How a replica of a test shares its state: with a short lease, and without the fence if it has to break what is promised.
 */
import type { AgentDependencies } from '../../src/agent/agent.ts';
import { openStore, type SharedStore } from '../../src/sharing/index.ts';

/** A process is taken for dead after three of these. Long enough for a machine that is busy with other things. */
export const lookIntervalMs = 400;

/** Logged by a replica (replica-cli.ts) for each object with something new, with `foundBy`. */
export const shippedLog = 'Object was shipped';

type Sharing = NonNullable<AgentDependencies['sharing']>;

export function replicaDependencies({ isFenced = true }: { readonly isFenced?: boolean } = {}): Sharing {
  return {
    openStore: async (location) => (isFenced ? await openStore(location) : withoutFence(await openStore(location))),
    lookIntervalMs,
  };
}

/** Writes of objects have an effect whatever others have written in the meantime. */
function withoutFence(store: SharedStore): SharedStore {
  const compareAndSet: SharedStore['compareAndSet'] = async (key, expected, next, signal) => {
    for (let revision = expected; ; ) {
      const end = await store.compareAndSet(key, revision, next, signal);
      if (end === 'written' || !key.partition.startsWith('o#')) return end;
      revision = (await store.read(key, signal))?.revision;
    }
  };
  return new Proxy(store, {
    get(target, name) {
      if (name === 'compareAndSet') return compareAndSet;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
