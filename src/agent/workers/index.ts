export { WorkerPool } from './worker-pool.ts';
