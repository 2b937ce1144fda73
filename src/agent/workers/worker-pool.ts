/**
 * Ships objects in worker threads. Looks like an ObjectShipper: hands each object to the worker that has the least to do. A worker is
 * started when those that run are all busy, so an agent with little to do has few of them.
 */
import { Worker } from 'node:worker_threads';
import type { Configuration } from '../../config/index.ts';
import type { DeliveredObject } from '../../model/object.ts';
import type { ObjectEnd } from '../../pipeline/object-end.ts';
import { isSettled, type ObjectShipper } from '../../pipeline/object-shipper.ts';
import { SharedSemaphore } from '../../runtime/shared-semaphore.ts';
import type { Port, ToMain, WorkerSetup } from './messages.ts';
import { type MainServices, Visits } from './worker-proxy.ts';

/** The calls of a Worker that are made here. */
export interface Thread extends Port<ToMain> {
  on(event: 'message', listener: (message: ToMain) => void): unknown;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  on(event: 'exit', listener: (exitCode: number) => void): unknown;
  terminate(): Promise<unknown>;
}

interface RunningWorker {
  readonly thread: Thread;
  readonly visits: Visits;
}

export class WorkerPool implements Pick<ObjectShipper, 'isSettled' | 'ship'> {
  readonly #configuration: Configuration;
  readonly #services: MainServices;
  readonly #startThread: (setup: WorkerSetup) => Thread;
  readonly #requestSlots: SharedArrayBuffer;
  readonly #workers: RunningWorker[] = [];

  /** Starts no thread yet. */
  constructor(configuration: Configuration, services: MainServices, startThread = startWorker) {
    this.#configuration = configuration;
    this.#services = services;
    this.#startThread = startThread;
    this.#requestSlots = SharedSemaphore.memory(configuration.otlp.requestsInFlightMax);
  }

  isSettled(object: DeliveredObject): boolean {
    return isSettled(object, this.#services.state);
  }

  async ship(object: DeliveredObject, signal: AbortSignal): Promise<ObjectEnd> {
    return await this.#leastBusy().visits.ship(object, signal);
  }

  /** Call it when no object is being shipped any more. */
  async close(): Promise<void> {
    await Promise.all(
      this.#workers.map(async ({ thread, visits }) => {
        await visits.close();
        await thread.terminate();
      }),
    );
  }

  #leastBusy(): RunningWorker {
    const [least] = this.#workers.toSorted((one, other) => one.visits.load - other.visits.load);
    const isEnough = least?.visits.load === 0 || this.#workers.length >= this.#configuration.workers;
    return least !== undefined && isEnough ? least : this.#start();
  }

  #start(): RunningWorker {
    const number = this.#workers.length + 1;
    const thread = this.#startThread({
      number,
      configuration: this.#configuration,
      hashSecret: this.#services.state.hashSecret,
      requestSlots: this.#requestSlots,
    });
    const visits = new Visits(thread, this.#services);
    thread.on('error', (error) => visits.fail(error));
    thread.on('exit', (exitCode) => visits.fail(new Error(`Worker thread ${number} ended with code ${exitCode}`)));
    const worker = { thread, visits };
    this.#workers.push(worker);
    return worker;
  }
}

/** Beside this file, with its ending: TypeScript from the sources, JavaScript in the package and in the bundle. */
const program = new URL(`./worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

function startWorker(setup: WorkerSetup): Thread {
  return new Worker(program, { workerData: setup, name: `shipper ${setup.number}` });
}
