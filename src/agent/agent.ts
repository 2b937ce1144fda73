/**
 * The composition root: configuration in, a wired agent out.
 */
import type { Writable } from 'node:stream';
import type { Configuration } from '../config/index.ts';
import type { Decoder } from '../contracts/decoder.ts';
import type { DeliveryState } from '../contracts/delivery-state.ts';
import type { BatchEnd, Exporter } from '../contracts/exporter.ts';
import type { Mapper } from '../contracts/mapper.ts';
import type { NotificationQueue } from '../contracts/notifications.ts';
import type { AgentEvent, Observer } from '../contracts/observer.ts';
import type { Source } from '../contracts/source.ts';
import type { VisitOutcome } from '../contracts/visit-outcome.ts';
import type { OpenDatabase, OpenState, StateOptions } from '../delivery/index.ts';
import {
  createConsoleExporter,
  createFailureReporter,
  type DeadLetterFiles,
  type FailureReporter,
  type OtlpTransport,
} from '../export/index.ts';
import { AgentError } from '../model/agent-error.ts';
import type { IdentifiedLine } from '../model/line.ts';
import type { DeliveredObject } from '../model/object.ts';
import { recordBatch } from '../otlp/record-batch.ts';
import { LineBatch } from '../pipeline/line-batch.ts';
import { ObjectShipper, type Visitor } from '../pipeline/object-shipper.ts';
import { ObjectVisitor } from '../pipeline/object-visitor.ts';
import { type Clock, clockUntil, systemClock } from '../runtime/clock.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { Semaphore } from '../runtime/semaphore.ts';
import { type Backlog, measureBacklog } from '../schedule/backlog.ts';
import { Shipping } from '../schedule/shipping.ts';
import { SilenceWatch } from '../schedule/silence-watch.ts';
import { startDate } from '../schedule/start-date.ts';
import {
  createNotificationQueues,
  createSources,
  type DeliveryFiles,
  identityOf,
  type QueueLocation,
  type S3Api,
  type SqsApi,
} from '../sources/index.ts';
import { Counters } from '../telemetry/index.ts';
import { createMappers } from './mappers.ts';
import { StandingAside, type StandingAsideParts } from './standing-aside.ts';
import { openConfiguredState, type SharingDependencies, type StateDependencies } from './state.ts';
import { createBatchMemory, createCollectorExporter, encodingOf, shippingParts } from './wiring.ts';
import { WorkerPool } from './workers/index.ts';

export type { AgentEvent, Observer } from '../contracts/observer.ts';
export type { DeliverySummary } from '../delivery/index.ts';

/** Replaceable dependencies of the agent. By default it uses the real clock, network and disk. */
export interface AgentDependencies {
  /** The agent's own log; silent by default. */
  readonly logger?: Logger | undefined;
  /** Where `OTEL_LOGS_EXPORTER=console` writes; standard output by default. */
  readonly stdout?: Writable | undefined;
  readonly clock?: Clock | undefined;
  /** Called with every event of the agent. Must return at once and not throw. */
  readonly observer?: Observer | undefined;
  /** Ends the start, which may wait a minute for a shared state: `createAgent` then rejects with its reason. */
  readonly stop?: AbortSignal | undefined;
  /** How long to wait for responses to requests in flight once the agent is stopping. */
  readonly graceMs?: number | undefined;
  /** Custom sources, in addition to those of the configuration. */
  readonly sources?: readonly Source[] | undefined;
  /** Replaces the configured exporter. The agent closes it. */
  readonly exporter?: Exporter | undefined;
  /** Replaces the configured state. */
  readonly openState?: ((options: StateOptions) => Promise<OpenState>) | undefined;
  /** Replaces the mapper of `DATABRICKS_AUDIT_MAPPING`; sources that name a mapping keep theirs. */
  readonly mapper?: Mapper | undefined;
  readonly decoder?: Decoder | undefined;
  /**
   * Network and disk of individual parts, for tests and simulations.
   * @internal
   */
  readonly createS3?: (() => S3Api) | undefined;
  /** @internal */
  readonly createSqs?: ((queue: QueueLocation) => SqsApi) | undefined;
  /** @internal */
  readonly deliveryFiles?: DeliveryFiles | undefined;
  /** @internal */
  readonly transport?: OtlpTransport | undefined;
  /** @internal */
  readonly deadLetterFiles?: DeadLetterFiles | undefined;
  /** @internal */
  readonly openDatabase?: OpenDatabase | undefined;
  /** @internal */
  readonly sharing?: SharingDependencies | undefined;
}

export interface Agent {
  readonly counters: Readonly<Counters>;
  /**
   * Ships until the signal aborts, then rejects with its reason. Also rejects with ERR_STATE_DAMAGED: close the agent, create
   * a new one and run that.
   */
  run(stop: AbortSignal): Promise<void>;
  /** Ships what is there now. Resolves to true if everything was listed and read completely. */
  shipOnce(stop: AbortSignal): Promise<boolean>;
  /** Ships the missing lines of an object even if its version is settled. Does not repeat lines that the state knows. */
  shipAgain(object: DeliveredObject, stop: AbortSignal): Promise<VisitOutcome>;
  /**
   * Sends settled lines of one object again, in one request. Resolves when each of them has been accepted or dead-lettered;
   * the state does not change.
   */
  sendAgain(lines: readonly [IdentifiedLine, ...IdentifiedLine[]], stop: AbortSignal): Promise<BatchEnd>;
  /** Measures what is listed but not settled yet. */
  backlog(stop: AbortSignal): Promise<Backlog>;
  /** Writes the state and closes everything. Call it last, also after an error. */
  close(): Promise<void>;
}

/** Docker sends SIGKILL ten seconds after SIGTERM. */
const graceMsDefault = 8_000;
/** After this many listings without a change, the last line of a file counts as complete even without a newline. */
const stillAfterPolls = 2;

/** Rejects with ERR_CONFIGURATION, ERR_MAPPING_FILE or one of the ERR_STATE_ codes, or with the reason of `stop`. */
export async function createAgent(
  configuration: Configuration,
  dependencies: AgentDependencies = {},
  mode: 'longRunning' | 'oneShot' = 'longRunning',
): Promise<Agent> {
  rejectMissingSources(configuration, dependencies);
  rejectCustomPartsWithWorkers(configuration, dependencies);
  const { logger = silentLogger, clock = systemClock } = dependencies;
  const mapperFor = createMappers(configuration, dependencies.mapper);
  const counters = new Counters();
  const observe = (event: AgentEvent) => {
    counters.observe(event);
    dependencies.observer?.(event);
  };
  const [stopping, abandon] = [new AbortController(), new AbortController()];
  // A batch that is waiting for its next attempt need not be waited for: it stays announced, and the next process sends it.
  const retryClock = clockUntil(stopping.signal, clock);
  const failures = createFailureReporter({
    deadLetters: configuration.deadLetters,
    clock: retryClock,
    logger,
    observe,
    deadLetterFiles: dependencies.deadLetterFiles,
    // A single pass ends when everything is shipped, so it waits.
    onLastingOutage: mode === 'oneShot' ? undefined : (retryAtMs) => standingAside.begin(retryAtMs),
  });
  const exporter = createExporter(configuration, dependencies, { failures, clock: retryClock, observe });
  const sources = [
    ...createSources(configuration.sources, {
      stillAfterPolls: mode === 'oneShot' ? 0 : stillAfterPolls,
      clock,
      createS3: dependencies.createS3,
      files: dependencies.deliveryFiles,
    }),
    ...(dependencies.sources ?? []),
  ];
  // A single pass lists everything.
  const queues = createNotificationQueues(mode === 'oneShot' ? [] : configuration.queues, configuration.sources, {
    observe,
    clock,
    logger,
    createS3: dependencies.createS3,
    createSqs: dependencies.createSqs,
  });
  const state = await openState(configuration, dependencies, {
    sources: [...configuration.sources.map(identityOf), ...(dependencies.sources ?? [])],
    clock,
    logger,
    observe,
    stopping: dependencies.stop === undefined ? stopping.signal : AbortSignal.any([stopping.signal, dependencies.stop]),
  });
  const standingAside = new StandingAside({
    state,
    exporter,
    onAnswer: () => failures.outages.probed(),
    clock,
    logger,
    stopping: stopping.signal,
  });
  // A state that stays open would keep its lock, and its counter among the replicas.
  const workspaces = await state.workspaces().catch(async (error: unknown) => {
    await state.close();
    throw error;
  });
  for (const { workspaceId, lastEventMs } of workspaces) {
    observe({ kind: 'workspaceKnown', workspaceId, lastEventMs });
  }
  const silence = new SilenceWatch({
    state,
    async send(event, signal) {
      const batch = recordBatch([mapperFor(undefined).toAlertEventLine(event)], encodingOf(configuration));
      const end = await exporter.export(batch, signal);
      observe({ kind: 'alertEventEnded', outcome: end.acceptedCount > 0 ? 'accepted' : 'deadLettered' });
    },
    observe,
    logger,
    thresholdMs: configuration.silenceAfterMs,
    lookbackMs: configuration.lookbackDays * 86_400_000,
  });
  const shared = { abandon: abandon.signal, observe, logger, hashSecret: state.hashSecret };
  const workers =
    configuration.workers > 1
      ? new WorkerPool(configuration, { ...shared, failures, stopping: stopping.signal })
      : undefined;
  const visitor: Visitor =
    workers ??
    new ObjectVisitor(
      shippingParts(configuration, mapperFor, {
        ...shared,
        exporter,
        requestSlots: new Semaphore(configuration.otlp.requestsInFlightMax),
        decoder: dependencies.decoder,
      }),
    );
  const shipper = new ObjectShipper(state, visitor);
  const schedule = {
    lookbackDays: configuration.lookbackDays,
    sweepIntervalMs: configuration.sweepIntervalMs,
    startDate: startDate(configuration.start, state),
  };
  const shipping = new Shipping({
    sources,
    queues,
    shipper,
    state,
    workers: configuration.workers,
    schedule,
    observe,
    clock,
    logger,
    onFailure: (error) => abandon.abort(error),
    onPoll: (lookbackStart) => state.dropLineHashes(lookbackStart),
    onCaughtUp: configuration.silenceAfterMs === 0 ? undefined : (toMs, stop) => silence.check(toMs, stop),
  });
  const batchMemoryFor = createBatchMemory(configuration, mapperFor);
  const toBatch = (lines: readonly [IdentifiedLine, ...IdentifiedLine[]]) =>
    new LineBatch(lines, batchMemoryFor(lines[0].origin));
  const grace = { stopping, abandon, graceMs: dependencies.graceMs ?? graceMsDefault, clock };
  return {
    counters,
    run: (stop) => withGrace(stop, grace, () => shipping.follow(stop)),
    shipOnce: (stop) => withGrace(stop, grace, () => shipping.shipOnce(stop)),
    shipAgain: (object, stop) =>
      withGrace(stop, grace, async () => {
        await state.reopen(object, stop);
        return await shipper.ship(object, stop);
      }),
    sendAgain: (lines, stop) => withGrace(stop, grace, () => exporter.export(toBatch(lines), abandon.signal)),
    backlog: (stop) => measureBacklog(sources, state, { from: schedule.startDate, before: undefined }, stop),
    async close() {
      standingAside.close();
      await silence.close();
      await closeAll(workers, exporter, [...sources, ...queues], state);
    },
  };
}

async function openState(
  configuration: Configuration,
  { openState: open, openDatabase, sharing }: AgentDependencies,
  parts: Omit<StateDependencies, 'openDatabase' | 'sharing'>,
): Promise<OpenState> {
  const { state } = configuration;
  if (open === undefined) return await openConfiguredState(configuration, { ...parts, openDatabase, sharing });
  return await open({ directory: state.kind === 'directory' ? state.path : '.', ...parts, openDatabase });
}

function rejectMissingSources(configuration: Configuration, { sources = [] }: AgentDependencies): void {
  if (configuration.sources.length + sources.length > 0) return;
  throw new AgentError('ERR_CONFIGURATION', 'DATABRICKS_AUDIT_SOURCE: expected a source, got nothing', {
    hint: 'Set the variable, or pass a custom source to createAgent.',
  });
}

/** Worker threads read, map and send themselves, and functions cannot be passed to them. */
function rejectCustomPartsWithWorkers(
  { workers }: Configuration,
  { sources = [], exporter, mapper, decoder }: AgentDependencies,
): void {
  const hasCustomParts = sources.length > 0 || [exporter, mapper, decoder].some((part) => part !== undefined);
  if (workers === 1 || !hasCustomParts) return;
  throw new AgentError(
    'ERR_CONFIGURATION',
    `DATABRICKS_AUDIT_WORKERS: expected 1 with a custom source, exporter, mapper or decoder, got ${workers}`,
  );
}

function createExporter(
  configuration: Configuration,
  { exporter, stdout = process.stdout, transport }: AgentDependencies,
  parts: { readonly failures: FailureReporter; readonly clock: Clock; readonly observe: Observer },
): StandingAsideParts['exporter'] & Exporter {
  if (exporter !== undefined) return exporter;
  if (configuration.logsExporter === 'console') return createConsoleExporter(stdout);
  return createCollectorExporter(configuration, { ...parts, transport });
}

interface Grace {
  readonly stopping: AbortController;
  /** Abandons requests in flight. */
  readonly abandon: AbortController;
  readonly graceMs: number;
  readonly clock: Clock;
}

/** When `stop` aborts, reading and waiting end at once; requests in flight get the grace period. */
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
      () => {}, // The work was done first.
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
  inputs: readonly (Source | NotificationQueue)[],
  state: DeliveryState,
): Promise<void> {
  // First the workers: they may still have dead letters and changes to the state.
  await workers?.close();
  await Promise.allSettled([exporter.close(), ...inputs.map((input) => input.close())]);
  await state.close();
}
