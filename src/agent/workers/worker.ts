/**
 * The program of a worker thread: reads, maps and sends the objects that the main thread assigns to it.
 */
import assert from 'node:assert';
import { parentPort, workerData } from 'node:worker_threads';
import { ObjectVisitor } from '../../pipeline/object-visitor.ts';
import { clockUntil, systemClock } from '../../runtime/clock.ts';
import { SharedSemaphore } from '../../runtime/shared-semaphore.ts';
import { createObjectOpener } from '../../sources/index.ts';
import { createMappers } from '../mappers.ts';
import { createCollectorExporter, shippingParts } from '../wiring.ts';
import { MainProxy } from './main-proxy.ts';
import type { WorkerSetup } from './messages.ts';

assert(parentPort !== null, 'this is the program of a worker thread');
const { configuration, hashSecret, requestSlots }: WorkerSetup = workerData;
const main = new MainProxy(parentPort);
const { stopping, abandon, observe, logger, failures } = main;
const exporter = createCollectorExporter(configuration, {
  failures,
  clock: clockUntil(stopping, systemClock),
  observe,
});
const opener = createObjectOpener(configuration.sources, { stillAfterPolls: 0 });

main.serve({
  visitor: new ObjectVisitor(
    shippingParts(configuration, createMappers(configuration), {
      exporter,
      requestSlots: new SharedSemaphore(requestSlots),
      abandon,
      observe,
      logger,
      hashSecret,
    }),
  ),
  open: (object, signal) => opener.open(object, signal),
  async close() {
    await Promise.allSettled([exporter.close(), opener.close()]);
  },
});
