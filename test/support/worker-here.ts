/**
 * Runs a worker in the test's own thread, connected to the main side by a real MessageChannel.
 */
import { MessageChannel } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { MainProxy } from '../../src/agent/workers/main-proxy.ts';
import { type MainServices, WorkerProxy } from '../../src/agent/workers/worker-proxy.ts';
import { unobserved } from '../../src/contracts/observer.ts';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';
import type { Visitor } from '../../src/pipeline/object-shipper.ts';
import { silentLogger } from '../../src/runtime/logger.ts';

/** @param createVisitor makes the visitor that runs in the worker. */
export function workerHere(
  services: Partial<MainServices>,
  createVisitor: (main: MainProxy) => Visitor,
): Visitor & Pick<WorkerProxy, 'fail'> {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  const objects = new Map<ObjectId, DeliveredObject>();
  const main = new MainProxy(port2);
  main.serve({
    visitor: createVisitor(main),
    async open({ origin }, signal) {
      const object = objects.get(origin.id);
      if (object === undefined) throw new Error('only objects that were handed over are opened');
      return await object.open(signal);
    },
    async close() {},
  });
  const proxy = new WorkerProxy(port1, {
    failures: main.failures,
    hashSecret: new Uint8Array(),
    stopping: new AbortController().signal,
    abandon: new AbortController().signal,
    observe: unobserved,
    logger: silentLogger,
    ...services,
  });
  return {
    async visit(object, claim, signal) {
      objects.set(object.origin.id, object);
      return await proxy.visit(object, claim, signal);
    },
    fail: (error) => proxy.fail(error),
  };
}
