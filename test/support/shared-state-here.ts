/**
 * A shared state on the model store, with a connection that can be cut: what a process does after its death has no effect.
 */
import type { OpenState } from '../../src/contracts/open-state.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { openSharedState, type SharedStateOptions } from '../../src/sharing/index.ts';
import type { SharedStore } from '../../src/sharing/store.ts';
import { ModelStore, type StoredItems } from './model-store.ts';

export interface SharedStateHere {
  readonly state: OpenState;
  /** The process is gone. Others need not wait for that: its counter goes too. */
  kill(): void;
}

export async function openSharedStateHere(
  items: StoredItems,
  options: Partial<SharedStateOptions> & { readonly clock?: Clock } = {},
): Promise<SharedStateHere> {
  const others = new Set(items.registers.keys());
  const { store, cut } = cuttable(options.store ?? new ModelStore(items));
  const state = await openSharedState({
    sources: [{ name: 's3://audit' }],
    lookbackDays: 3,
    replica: { host: 'here', version: '0.0.0', fingerprint: 'same' },
    clock: systemClock,
    logger: silentLogger,
    stopping: new AbortController().signal,
    ...options,
    store,
  });
  const counters = [...items.registers.keys()].filter((name) => name.startsWith('replicas\0') && !others.has(name));
  return {
    state,
    kill() {
      cut();
      for (const name of counters) items.registers.delete(name);
    },
  };
}

/** Calls after the cut have no effect. */
function cuttable(inner: SharedStore): { readonly store: SharedStore; readonly cut: () => void } {
  let isCut = false;
  const store = new Proxy(inner, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...call: unknown[]) => {
        if (isCut && name !== 'close') throw new AgentError('ERR_STATE_UNAVAILABLE', 'The connection is cut');
        return Reflect.apply(member, target, call);
      };
    },
  });
  return {
    store,
    cut: () => {
      isCut = true;
    },
  };
}
