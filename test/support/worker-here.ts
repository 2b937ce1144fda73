/**
 * Runs a worker in the test's own thread, connected to the main side by a real MessageChannel.
 */
import { MessageChannel } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { MainThread } from '../../src/agent/workers/main-proxy.ts';
import { type MainServices, Visits } from '../../src/agent/workers/worker-proxy.ts';
import type { ShippingState } from '../../src/contracts/delivery-state.ts';
import { unobserved } from '../../src/contracts/observer.ts';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';
import type { ObjectShipper } from '../../src/pipeline/object-shipper.ts';
import { silentLogger } from '../../src/runtime/logger.ts';

export type Shipper = Pick<ObjectShipper, 'ship'>;

/** @param createShipper creates the worker's shipper, given the worker's view of the state. */
export function workerHere(
  services: Partial<MainServices> & Pick<MainServices, 'state'>,
  createShipper: (state: ShippingState, main: MainThread) => Shipper,
): Shipper & Pick<Visits, 'fail'> {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  const objects = new Map<ObjectId, DeliveredObject>();
  const main = new MainThread(port2);
  main.serve({
    hashSecret: services.state.hashSecret,
    createShipper: (state) => createShipper(state, main),
    createLineIndex: () => services.state.createLineIndex(),
    async open({ origin }, signal) {
      const object = objects.get(origin.id);
      if (object === undefined) throw new Error('only objects that were handed over are opened');
      return await object.open(signal);
    },
    async close() {},
  });
  const visits = new Visits(port1, {
    desk: main.desk,
    stopping: new AbortController().signal,
    abandon: new AbortController().signal,
    observe: unobserved,
    logger: silentLogger,
    ...services,
  });
  return {
    async ship(object, signal) {
      objects.set(object.origin.id, object);
      return await visits.ship(object, signal);
    },
    fail: (error) => visits.fail(error),
  };
}
