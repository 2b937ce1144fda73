import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { ToMain, ToWorker } from '../../../src/agent/workers/messages.ts';
import { type Thread, WorkerPool } from '../../../src/agent/workers/worker-pool.ts';
import { loadConfiguration } from '../../../src/config/index.ts';
import { unobserved } from '../../../src/contracts/observer.ts';
import { createFailureReporter } from '../../../src/export/index.ts';
import { deadLetterDirectory } from '../../../src/export/options.ts';
import type { DeliveredObject, ObjectId } from '../../../src/model/object.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { settled } from '../../support/manual-clock.ts';
import { memoryObject } from '../../support/memory-object.ts';
import { openMemoryState } from '../../support/memory-state.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const never = new AbortController().signal;

/** Records its visits, and ends them when the test says so. */
class FakeThread extends EventEmitter<{ message: [ToMain]; error: [unknown]; exit: [number] }> implements Thread {
  readonly visiting = new Map<string, number>();
  isTerminated = false;

  postMessage(message: ToWorker): void {
    if (message.kind === 'visit') this.visiting.set(message.visit.object.origin.id, message.visit.visitId);
    if (message.kind === 'close') this.emit('message', { kind: 'closed' });
  }

  end(id: string): void {
    this.emit('message', { kind: 'ended', visitId: this.visiting.get(id) ?? 0, outcome: { status: 'settled' } });
    this.visiting.delete(id);
  }

  async terminate(): Promise<void> {
    this.isTerminated = true;
  }
}

function setUp(workers: number) {
  const directory = temporaryDirectory();
  const threads: FakeThread[] = [];
  const state = openMemoryState();
  const watching = { observe: unobserved, logger: silentLogger };
  const failures = createFailureReporter({
    deadLetters: deadLetterDirectory(directory),
    clock: systemClock,
    ...watching,
  });
  const pool = new WorkerPool(
    loadConfiguration({ DATABRICKS_AUDIT_SOURCE: directory, DATABRICKS_AUDIT_WORKERS: String(workers) }),
    { hashSecret: state.hashSecret, failures, stopping: never, abandon: never, ...watching },
    () => {
      const thread = new FakeThread();
      threads.push(thread);
      return thread;
    },
  );
  /** What each thread is visiting. */
  const visiting = () => threads.map((thread) => [...thread.visiting.keys()].join(' '));
  const visit = async (id: string, sizeBytes: number) => {
    const object = objectOf(id, sizeBytes);
    const claim = await state.claim(object, never);
    if (typeof claim === 'string') throw new Error(claim);
    return await pool.visit(object, claim, never);
  };
  return { pool, threads, visit, visiting };
}

function objectOf(id: string, sizeBytes: number): DeliveredObject {
  const object = memoryObject('{}\n');
  return { ...object, origin: { ...object.origin, id: id as ObjectId }, version: { ...object.version, sizeBytes } };
}

describe('WorkerPool', () => {
  it('starts the first thread at the first visit, and another one only if all are busy', async () => {
    const { visit, threads } = setUp(3);
    expect(threads).toHaveLength(0);
    for (const id of ['a', 'b', 'c']) {
      const visited = visit(id, 10);
      await settled();
      expect(threads).toHaveLength(1);
      threads[0]?.end(id);
      expect(await visited).toEqual({ status: 'settled' });
    }
    void visit('d', 10);
    void visit('e', 10);
    await settled();
    expect(threads).toHaveLength(2);
  });

  it('assigns each object to the worker with the fewest bytes to ship, and respects the limit on workers', async () => {
    const { visit, visiting } = setUp(2);
    for (const [id, sizeBytes] of Object.entries({ large: 100, a: 30, b: 30, c: 30, d: 30, empty: 0 })) {
      void visit(id, sizeBytes);
      await settled();
    }
    expect(visiting()).toEqual(['large empty', 'a b c d']);
  });

  it('rejects the visits of a thread that fails, with its error', async () => {
    const { visit, threads } = setUp(2);
    const visits = [visit('a', 10), visit('b', 10)];
    await settled();
    threads[1]?.emit('error', new RangeError('out of memory'));
    threads[1]?.emit('exit', 1);
    await expect(visits[1]).rejects.toThrow('out of memory');
    threads[0]?.end('a');
    expect(await visits[0]).toEqual({ status: 'settled' });
  });

  it('rejects the visits of a thread that exits without an error', async () => {
    const { visit, threads } = setUp(2);
    const visited = visit('a', 10);
    await settled();
    threads[0]?.emit('exit', 7);
    await expect(visited).rejects.toThrow('Worker thread 1 exited with code 7');
  });

  it('terminates all threads when it is closed, including those that have already exited', async () => {
    const { pool, visit, threads } = setUp(2);
    const visits = [visit('a', 10), visit('b', 10)];
    await settled();
    threads[0]?.end('a');
    threads[1]?.emit('exit', 1);
    await Promise.allSettled(visits);
    await pool.close();
    expect(threads.map(({ isTerminated }) => isTerminated)).toEqual([true, true]);
  });
});
