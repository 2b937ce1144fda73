/**
 * Visits objects in worker threads. Each object goes to the worker with the lowest load; a new worker is started only if all
 * running ones are busy, so an agent with little to do has few threads.
 */
import { Worker } from 'node:worker_threads';
import type { Configuration } from '../../config/index.ts';
import type { Claim } from '../../contracts/delivery-state.ts';
import type { VisitOutcome } from '../../contracts/visit-outcome.ts';
import type { DeliveredObject } from '../../model/object.ts';
import type { Visitor } from '../../pipeline/object-shipper.ts';
import { SharedSemaphore } from '../../runtime/shared-semaphore.ts';
import type { Port, ToMain, WorkerSetup } from './messages.ts';
import { type MainServices, WorkerProxy } from './worker-proxy.ts';

/** The part of Worker's interface that the pool uses. */
export interface Thread extends Port<ToMain> {
  on(event: 'message', listener: (message: ToMain) => void): unknown;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  on(event: 'exit', listener: (exitCode: number) => void): unknown;
  terminate(): Promise<unknown>;
}

interface RunningWorker {
  readonly thread: Thread;
  readonly proxy: WorkerProxy;
}

export class WorkerPool implements Visitor {
  readonly #configuration: Configuration;
  readonly #services: MainServices;
  readonly #startThread: (setup: WorkerSetup) => Thread;
  readonly #requestSlots: SharedArrayBuffer;
  readonly #workers: RunningWorker[] = [];

  /** Does not start any thread yet. */
  constructor(configuration: Configuration, services: MainServices, startThread = startWorker) {
    this.#configuration = configuration;
    this.#services = services;
    this.#startThread = startThread;
    this.#requestSlots = SharedSemaphore.memory(configuration.otlp.requestsInFlightMax);
  }

  async visit(object: DeliveredObject, claim: Claim, signal: AbortSignal): Promise<VisitOutcome> {
    return await this.#leastBusy().proxy.visit(object, claim, signal);
  }

  /** Call it when all visits are done. */
  async close(): Promise<void> {
    await Promise.all(
      this.#workers.map(async ({ thread, proxy }) => {
        await proxy.close();
        await thread.terminate();
      }),
    );
  }

  #leastBusy(): RunningWorker {
    const [least] = this.#workers.toSorted((one, other) => one.proxy.load - other.proxy.load);
    const useRunning = least?.proxy.load === 0 || this.#workers.length >= this.#configuration.workers;
    return least !== undefined && useRunning ? least : this.#start();
  }

  #start(): RunningWorker {
    const number = this.#workers.length + 1;
    const thread = this.#startThread({
      number,
      configuration: this.#configuration,
      hashSecret: this.#services.hashSecret,
      requestSlots: this.#requestSlots,
    });
    const proxy = new WorkerProxy(thread, this.#services);
    thread.on('error', (error) => proxy.fail(error));
    thread.on('exit', (exitCode) => proxy.fail(new Error(`Worker thread ${number} exited with code ${exitCode}`)));
    const worker = { thread, proxy };
    this.#workers.push(worker);
    return worker;
  }
}

/** In the same folder, with the same extension: TypeScript in the repository, JavaScript in the package and the bundle. */
const program = new URL(`./worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

function startWorker(setup: WorkerSetup): Thread {
  return new Worker(program, { workerData: setup, name: `shipper ${setup.number}` });
}
