export { openStore, setUpStore } from './engines.ts';
export { probeStore } from './probe.ts';
export type { ReplicaInfo } from './replicas.ts';
export type { StoreSetting, StoreSetup } from './setup.ts';
export { fillStoreFrom, openSharedContents } from './shared-copy.ts';
export { openSharedReader, type SharedReaderOptions } from './shared-reader.ts';
export { openSharedState, type SharedStateOptions } from './shared-state.ts';
export type { SharedStore } from './store.ts';
