export { openStore } from './engines.ts';
export type { ReplicaInfo } from './replicas.ts';
export { openSharedReader, type SharedReaderOptions } from './shared-reader.ts';
export { openSharedState, type SharedStateOptions } from './shared-state.ts';
export type { SharedStore } from './store.ts';
