/**
 * The program of a worker thread: reads, maps and sends the objects that the main thread hands to it.
 */
import assert from 'node:assert';
import { parentPort, workerData } from 'node:worker_threads';
import { Scratch, scratchPath } from '../../delivery/index.ts';
import { createMapper } from '../../mapping/index.ts';
import { ObjectShipper } from '../../pipeline/object-shipper.ts';
import { clockUntil, systemClock } from '../../runtime/clock.ts';
import { SharedSemaphore } from '../../runtime/shared-semaphore.ts';
import { createObjectOpener } from '../../sources/index.ts';
import { createCollectorExporter, shippingParts } from '../wiring.ts';
import { MainThread } from './main-proxy.ts';
import type { WorkerSetup } from './messages.ts';

assert(parentPort !== null, 'this is the program of a worker thread');
const { number, configuration, hashSecret, requestSlots }: WorkerSetup = workerData;
const main = new MainThread(parentPort);
const { stopping, abandon, observe, logger, desk } = main;
const mapper = createMapper(configuration.mapping);
const clock = clockUntil(stopping, systemClock);
const exporter = createCollectorExporter(configuration, { mapper, desk, clock, observe });
const parts = shippingParts(configuration, mapper, {
  exporter,
  requestSlots: new SharedSemaphore(requestSlots),
  abandon,
  observe,
  logger,
});
const opener = createObjectOpener();
const scratch = new Scratch(scratchPath(configuration.stateDirectory, number));

main.serve({
  hashSecret,
  createShipper: (state) => new ObjectShipper({ ...parts, state }),
  createLineIndex: () => scratch.createLineIndex(),
  open: (object, signal) => opener.open(object, signal),
  async close() {
    await Promise.allSettled([exporter.close(), opener.close()]);
    scratch.close();
  },
});
