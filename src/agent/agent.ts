/**
 * The composition root: configuration in, a wired agent out.
 */
import type { Writable } from 'node:stream';
import type { Configuration } from '../config/index.ts';
import type { Decoder } from '../contracts/decoder.ts';
import type { DeliveryState } from '../contracts/delivery-state.ts';
import type { BatchEnd, Exporter } from '../contracts/exporter.ts';
import type { Mapper, OtlpEncoding } from '../contracts/mapper.ts';
import type { AgentEvent, Observer } from '../contracts/observer.ts';
import type { Source } from '../contracts/source.ts';
import { type OpenDatabase, openDeliveryState } from '../delivery/index.ts';
import { createConsoleExporter, createFaultDesk, type HttpTransport, type LetterFiles } from '../export/index.ts';
import { createMapper, encodeOtlpJson } from '../mapping/index.ts';
import type { DeliveredObject } from '../model/object.ts';
import { otlpLogs } from '../model/otlp-json.ts';
import { recordLine } from '../model/record-line.ts';
import type { ObjectEnd } from '../pipeline/object-end.ts';
import { ObjectShipper } from '../pipeline/object-shipper.ts';
import { type Clock, clockUntil, systemClock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { Semaphore } from '../runtime/semaphore.ts';
import { type Backlog, Shipping } from '../schedule/shipping.ts';
import { SilenceWatch } from '../schedule/silence-watch.ts';
import { startDate } from '../schedule/start-date.ts';
import { createSources, type DeliveryFiles, type S3Api } from '../sources/index.ts';
import { Counters } from '../telemetry/index.ts';
import { createCollectorExporter, encodingOf, shippingParts, toJsonLine } from './wiring.ts';
import { WorkerPool } from './workers/index.ts';

export type { AgentEvent, Observer } from '../contracts/observer.ts';
export { type DeliverySummary, readDeliverySummary } from '../delivery/index.ts';

export interface AgentSurroundings {
  readonly logger: Logger;
  /** Where `OTEL_LOGS_EXPORTER=console` writes. */
  readonly stdout: Writable;
  readonly clock?: Clock | undefined;
  /** Told what the agent does while it does it. */
  readonly observer?: Observer | undefined;
  /** How long requests on the wire may take to be answered once the agent is told to stop. */
  readonly graceMs?: number | undefined;
}

export interface Agent {
  readonly counters: Readonly<Counters>;
  /** Ships and keeps shipping until the signal is aborted. Rejects with ERR_STATE_DAMAGED: close, create again, go on. */
  run(stop: AbortSignal): Promise<void>;
  /** Ships what is there now. True when everything was listed and read to its end. */
  shipOnce(stop: AbortSignal): Promise<boolean>;
  /** Ships what is missing of an object, whatever the state says of its version, and repeats nothing that the state knows. */
  shipAgain(object: DeliveredObject, stop: AbortSignal): Promise<ObjectEnd>;
  /** What is listed and not settled yet. */
  backlog(stop: AbortSignal): Promise<Backlog>;
  /** Writes the state; call it last, whatever happened. */
  close(): Promise<void>;
}

/** What surrounds the process, and what is costly to make: the simulation brings its own, and everybody else takes the real things. */
export interface Outside {
  readonly createS3?: (() => S3Api) | undefined;
  readonly deliveryFiles?: DeliveryFiles | undefined;
  readonly transport?: HttpTransport | undefined;
  readonly letterFiles?: LetterFiles | undefined;
  readonly openDatabase?: OpenDatabase | undefined;
  readonly decoder?: Decoder | undefined;
  readonly mapper?: Mapper | undefined;
}

/** Docker kills ten seconds behind its SIGTERM. */
const graceMsDefault = 8_000;
/** For how many listings a file must not change before its last line counts as whole without a newline. */
const stillAfterPolls = 2;

/** @throws AgentError ERR_CONFIGURATION, ERR_MAPPING_FILE or one of the ERR_STATE_ codes. */
export function createAgent(
  configuration: Configuration,
  surroundings: AgentSurroundings,
  mode: 'longRunning' | 'oneShot' = 'longRunning',
  outside: Outside = {},
): Agent {
  const { logger, clock = systemClock } = surroundings;
  const mapper = outside.mapper ?? createMapper(configuration.mapping);
  const counters = new Counters();
  const observe = (event: AgentEvent) => {
    counters.observe(event);
    surroundings.observer?.(event);
  };
  const [stopping, abandon] = [new AbortController(), new AbortController()];
  // What waits for its next attempt is not under way: it is left announced, and sent again by the next process.
  const retryClock = clockUntil(stopping.signal, clock);
  const desk = createFaultDesk({
    deadLettersDirectory: configuration.deadLetterDirectory,
    clock: retryClock,
    logger,
    observe,
    letterFiles: outside.letterFiles,
  });
  const exporter: Exporter =
    configuration.logsExporter === 'console'
      ? createConsoleExporter({ output: surroundings.stdout, toJsonLine: toJsonLine(mapper) })
      : createCollectorExporter(configuration, {
          mapper,
          desk,
          clock: retryClock,
          observe,
          transport: outside.transport,
        });
  const sources = createSources({
    sources: configuration.sources,
    stillAfterPolls: mode === 'oneShot' ? 0 : stillAfterPolls,
    createS3: outside.createS3,
    files: outside.deliveryFiles,
  });
  const state = openDeliveryState({
    directory: configuration.stateDirectory,
    clock,
    logger,
    observe,
    openDatabase: outside.openDatabase,
  });
  for (const { workspaceId, lastEventMs } of state.workspaces()) {
    observe({ kind: 'workspaceKnown', workspaceId, lastEventMs });
  }
  const silence = new SilenceWatch({
    state,
    async send(notice, signal) {
      const end = await sendNotice(mapper.toNoticeLine(notice), exporter, encodingOf(configuration), signal);
      observe({ kind: 'noticeEnded', outcome: end.acceptedCount > 0 ? 'accepted' : 'deadLettered' });
    },
    observe,
    logger,
    thresholdMs: configuration.silenceAfterMs,
    lookbackMs: configuration.lookbackDays * 86_400_000,
  });
  const services = { state, desk, stopping: stopping.signal, abandon: abandon.signal, observe, logger };
  const workers = configuration.workers > 1 ? new WorkerPool(configuration, services) : undefined;
  const shipper =
    workers ??
    new ObjectShipper({
      ...shippingParts(configuration, mapper, {
        exporter,
        requestSlots: new Semaphore(configuration.otlp.requestsInFlightMax),
        abandon: abandon.signal,
        observe,
        logger,
        decoder: outside.decoder,
      }),
      state,
    });
  const schedule = {
    pollIntervalMs: configuration.pollIntervalMs,
    lookbackDays: configuration.lookbackDays,
    sweepIntervalMs: configuration.sweepIntervalMs,
    startDate: startDate(configuration.start, state),
  };
  const shipping = new Shipping({
    sources,
    shipper,
    workers: configuration.workers,
    schedule,
    observe,
    clock,
    logger,
    onFailure: (error) => abandon.abort(error),
    onPoll: (lookbackStart) => state.dropLineHashes(lookbackStart),
    onCaughtUp: configuration.silenceAfterMs === 0 ? undefined : (atMs, stop) => silence.look(atMs, stop),
  });
  const grace = { stopping, abandon, graceMs: surroundings.graceMs ?? graceMsDefault, clock };
  return {
    counters,
    run: (stop) => withGrace(stop, grace, () => shipping.follow(stop)),
    shipOnce: (stop) => withGrace(stop, grace, () => shipping.shipOnce(stop)),
    shipAgain: (object, stop) =>
      withGrace(stop, grace, async () => {
        state.reopen(object.origin.id);
        await state.flush(stop);
        return await shipper.ship(object, stop);
      }),
    backlog: (stop) => shipping.backlog(sources, { from: schedule.startDate, before: undefined }, stop),
    close: () => closeAll(workers, exporter, sources, state),
  };
}

/** A notice is a batch of its own: one record is never cut in half, so nobody maps it again. */
async function sendNotice(
  jsonLine: string,
  exporter: Exporter,
  encoding: OtlpEncoding,
  signal: AbortSignal,
): Promise<BatchEnd> {
  const request = encodeOtlpJson([otlpLogs.parse(JSON.parse(jsonLine))], encoding);
  return await exporter.export({ lineCount: 1, lines: [recordLine(jsonLine)], request }, signal);
}

interface Grace {
  readonly stopping: AbortController;
  /** Ends requests on the wire. */
  readonly abandon: AbortController;
  readonly graceMs: number;
  readonly clock: Clock;
}

/** Reading and waiting end with `stop`; requests on the wire have the grace period on top of it. */
async function withGrace<Result>(
  stop: AbortSignal,
  { stopping, abandon, graceMs, clock }: Grace,
  work: () => Promise<Result>,
): Promise<Result> {
  const ended = new AbortController();
  const onStop = () => {
    stopping.abort(stop.reason);
    clock.sleep(graceMs, ended.signal).then(
      () => abandon.abort(stop.reason),
      () => {}, // The work ended first.
    );
  };
  stop.addEventListener('abort', onStop, { once: true });
  try {
    return await work();
  } finally {
    stop.removeEventListener('abort', onStop);
    ended.abort();
  }
}

async function closeAll(
  workers: WorkerPool | undefined,
  exporter: Exporter,
  sources: readonly Source[],
  state: DeliveryState,
): Promise<void> {
  // What workers still have to say goes to all of the others.
  await workers?.close();
  await Promise.allSettled([exporter.close(), ...sources.map((source) => source.close())]);
  await state.close();
}
