import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { BatchMemoryPool } from '../../src/pipeline/batch-memory.ts';
import { plainMapper } from '../support/plain-encoder.ts';

test('the memory of a complete batch is used for the next one', () => {
  const pool = new BatchMemoryPool(plainMapper(), 'protobuf');
  const memory = pool.acquire();
  pool.release(memory);
  expect(pool.acquire()).toBe(memory);
});

test('memory that no batch uses is given back when the heap is collected', async () => {
  const pool = new BatchMemoryPool(plainMapper(), 'protobuf');
  const memory = usedOnce(pool);
  await nextTurn(); // A WeakRef keeps its target for the turn in which it was made.
  collectGarbage();
  expect(memory.deref()).toBeUndefined();
  expect(pool.acquire()).toBeDefined();
});

function usedOnce(pool: BatchMemoryPool): WeakRef<object> {
  const memory = pool.acquire();
  pool.release(memory);
  return new WeakRef(memory);
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}
