/**
 * The composition root: configuration in, a wired agent out.
 */
import type { Writable } from 'node:stream';
import type { Configuration } from './config/index.ts';
import type { Decoder } from './decoder.ts';
import { createDecoder } from './decoders/index.ts';
import { type OpenDatabase, openDeliveryState } from './delivery/index.ts';
import type { DeliveryState } from './delivery-state.ts';
import {
  createConsoleExporter,
  createFaultDesk,
  createOtlpExporter,
  type HttpTransport,
  type LetterFiles,
} from './export/index.ts';
import type { Exporter } from './exporter.ts';
import type { Mapper, OtlpEncoding } from './mapper.ts';
import { createMapper, encodeOtlpJson } from './mapping/index.ts';
import type { IdentifiedLine } from './model/line.ts';
import type { DeliveredObject } from './model/object.ts';
import { otlpLogs } from './model/otlp-json.ts';
import { recordLine, recordOf } from './model/record-line.ts';
import type { AgentEvent, Observer } from './observer.ts';
import { BatchMemoryPool } from './pipeline/batch-memory.ts';
import type { ObjectEnd } from './pipeline/object-end.ts';
import { ObjectShipper } from './pipeline/object-shipper.ts';
import { type Backlog, Shipping } from './pipeline/shipping.ts';
import { SilenceWatch } from './pipeline/silence-watch.ts';
import { startDate } from './pipeline/start-date.ts';
import { type Clock, systemClock } from './runtime/clock.ts';
import type { Logger } from './runtime/logger.ts';
import { packageVersion } from './runtime/package-version.ts';
import { Semaphore } from './runtime/semaphore.ts';
import type { Source } from './source.ts';
import { createSources, type S3Api } from './sources/index.ts';
import { Counters } from './telemetry/index.ts';

export { type DeliverySummary, readDeliverySummary } from './delivery/index.ts';
export type { AgentEvent, Observer } from './observer.ts';

export interface AgentSurroundings {
  readonly logger: Logger;
  /** Where `OTEL_LOGS_EXPORTER=console` writes. */
  readonly stdout: Writable;
  readonly clock?: Clock | undefined;
  /** Told what the agent does while it does it. */
  readonly observer?: Observer | undefined;
  /** How long requests under way may take to be answered once the agent is told to stop. */
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
  const exporter = createExporter(configuration, mapper, surroundings, { clock, observe, outside });
  const sources = createSources({
    sources: configuration.sources,
    stillAfterPolls: mode === 'oneShot' ? 0 : stillAfterPolls,
    createS3: outside.createS3,
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
    send: (notice, signal) => sendNotice(mapper.toNoticeLine(notice), exporter, encodingOf(configuration), signal),
    observe,
    logger,
    thresholdMs: configuration.silenceAfterMs,
    lookbackMs: configuration.lookbackDays * 86_400_000,
  });
  const abandon = new AbortController();
  const shipper = new ObjectShipper({
    decoder: outside.decoder ?? createDecoder(),
    batchMemory: new BatchMemoryPool(() => mapper.createEncoder(encodingOf(configuration))),
    exporter,
    state,
    batchLimits: configuration.batchLimits,
    requestSlots: new Semaphore(configuration.otlp.requestsInFlightMax),
    unsettledBatchesMax: configuration.otlp.requestsInFlightMax,
    abandon: abandon.signal,
    observe,
    logger,
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
    schedule,
    observe,
    clock,
    logger,
    onFailure: (error) => abandon.abort(error),
    onPoll: (lookbackStart) => state.dropLineHashes(lookbackStart),
    onCaughtUp: configuration.silenceAfterMs === 0 ? undefined : (atMs, stop) => silence.look(atMs, stop),
  });
  const { graceMs = graceMsDefault } = surroundings;
  return {
    counters,
    run: (stop) => withGrace(stop, abandon, graceMs, clock, () => shipping.follow(stop)),
    shipOnce: (stop) => withGrace(stop, abandon, graceMs, clock, () => shipping.shipOnce(stop)),
    shipAgain: (object, stop) =>
      withGrace(stop, abandon, graceMs, clock, async () => {
        state.reopen(object.origin.id);
        await state.flush(stop);
        return await shipper.ship(object, stop);
      }),
    backlog: (stop) => shipping.backlog(sources, { from: schedule.startDate, before: undefined }, stop),
    close: () => closeAll(exporter, sources, state),
  };
}

function createExporter(
  configuration: Configuration,
  mapper: Mapper,
  { logger, stdout }: AgentSurroundings,
  { clock, observe, outside }: { readonly clock: Clock; readonly observe: Observer; readonly outside: Outside },
): Exporter {
  const toJsonLine = (line: IdentifiedLine) => recordOf(line) ?? mapper.toJsonLine(line);
  if (configuration.logsExporter === 'console') return createConsoleExporter({ output: stdout, toJsonLine });
  const encoder = mapper.createEncoder(encodingOf(configuration));
  return createOtlpExporter(
    { ...configuration.otlp, userAgent: `databricks-audit-otel/${packageVersion}` },
    {
      encode: (lines) => {
        for (const line of lines) encoder.append(line);
        return Uint8Array.from(encoder.finish()); // Parts of several batches may be under way.
      },
      toJsonLine,
      desk: createFaultDesk({
        deadLettersDirectory: configuration.deadLetterDirectory,
        clock,
        logger,
        observe,
        letterFiles: outside.letterFiles,
      }),
      clock,
      observe,
      transport: outside.transport,
    },
  );
}

/** A notice is a batch of its own: one record is never cut in half, so nobody maps it again. */
async function sendNotice(
  jsonLine: string,
  exporter: Exporter,
  encoding: OtlpEncoding,
  signal: AbortSignal,
): Promise<void> {
  const request = encodeOtlpJson([otlpLogs.parse(JSON.parse(jsonLine))], encoding);
  await exporter.export({ lineCount: 1, lines: [recordLine(jsonLine)], request }, signal);
}

function encodingOf({ otlp }: Configuration): OtlpEncoding {
  return otlp.protocol === 'http/json' ? 'json' : 'protobuf';
}

/** Reading ends with `stop`; requests under way have the grace period on top of it. */
async function withGrace<Result>(
  stop: AbortSignal,
  abandon: AbortController,
  graceMs: number,
  clock: Clock,
  work: () => Promise<Result>,
): Promise<Result> {
  const ended = new AbortController();
  const onStop = () => {
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

async function closeAll(exporter: Exporter, sources: readonly Source[], state: DeliveryState): Promise<void> {
  await Promise.allSettled([exporter.close(), ...sources.map((source) => source.close())]);
  await state.close();
}
