/**
 * Observes the agent and exposes metrics, health and the live page over HTTP and OTLP.
 */

import { type AgentEvent, type Fault, type Observer, toFault } from '../contracts/observer.ts';
import { AgentError, isAgentError, messageOf } from '../model/agent-error.ts';
import type { Clock } from '../runtime/clock.ts';
import { endedWithin } from '../runtime/ended-within.ts';
import type { Logger } from '../runtime/logger.ts';
import { printable } from '../runtime/printable.ts';
import { readProcessFigures } from '../runtime/process-figures.ts';
import { SampledLog } from '../runtime/sampled-log.ts';
import { Activity, type DeliveredBefore, type DeliveredTotals, type WaitingDeadLetters } from './activity.ts';
import { type AskCollector, CollectorWatch } from './collector-watch.ts';
import { liveness, readiness, replayHint, unreadableHint } from './health.ts';
import { History } from './history.ts';
import type { HttpServer } from './http-server.ts';
import { waitForLastPush } from './last-push.ts';
import type { Metrics, MetricsOptions } from './metrics.ts';
import type { HttpAddress } from './options.ts';
import type { OwnLogs, OwnLogsOptions } from './own-logs.ts';
import { type Setting, takeSnapshot } from './snapshot.ts';
import { SummaryLog } from './summary-log.ts';

export interface TelemetryOptions {
  readonly http: HttpAddress | 'off';
  /** Host names that HTTP requests may carry, in addition to IP addresses and `localhost`. */
  readonly httpHosts?: readonly string[] | undefined;
  readonly metrics: MetricsOptions;
  readonly pollIntervalMs: number;
  /** As configured. */
  readonly sourceNames: readonly string[];
  /** Those of which a queue has notifications. */
  readonly notifiedSourceNames?: readonly string[] | undefined;
  /** For the live page, with secrets masked. */
  readonly settings: readonly Setting[];
}

export interface TelemetryDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined for a shared state. */
  readonly stateBytes: (() => number) | undefined;
  /** Lines that earlier processes settled, from the state, for the charts. */
  readonly deliveredBefore: () => Promise<readonly DeliveredBefore[]>;
  /** The totals at the time of the call, also if it takes a while to sum them up; undefined if they are unknown. */
  readonly deliveredTotals: (signal: AbortSignal) => Promise<DeliveredTotals | undefined>;
  /**
   * Counts the records in the dead-letter files. Cheap when nothing has changed.
   * @param hasWritten whether this process has written some since it last asked.
   */
  readonly waitingDeadLetters: (hasWritten: boolean) => Promise<readonly WaitingDeadLetters[]>;
  /** Sends an empty request to the collector; undefined if records do not go to one. */
  readonly askCollector: AskCollector | undefined;
}

/** Together with the probe of the collector, less than a readiness probe's timeout. */
const countBoundMs = 1_500;
const notCountedYet: Fault = { code: 'ERR_DEAD_LETTER_READ', message: 'they are not counted yet', hint: undefined };

/** Loads OpenTelemetry's packages and the server only if they are needed, to save their memory. */
export async function startTelemetry(
  options: TelemetryOptions,
  dependencies: TelemetryDependencies,
): Promise<Telemetry> {
  const telemetry = new Telemetry(options, dependencies);
  await telemetry.start();
  return telemetry;
}

/** See own-logs.ts. */
export async function startOwnLogs(options: OwnLogsOptions, clock: Clock): Promise<OwnLogs> {
  const { createOwnLogs } = await import('./own-logs.ts');
  const ownLogs = await createOwnLogs(options);
  return { ...ownLogs, close: () => waitForLastPush(ownLogs.close(), clock) };
}

export class Telemetry {
  readonly #options: TelemetryOptions;
  readonly #dependencies: TelemetryDependencies;
  readonly #startedAtMs: number;
  readonly #collector: CollectorWatch;
  readonly #log: SampledLog;
  readonly #history: History;
  readonly #closing = new AbortController();
  #loggedDeadLetters = 0;
  #activity: Activity;
  /** Events since `watch`, until `takeOver` is called. */
  #earlyEvents: AgentEvent[] | undefined;
  #metrics: Metrics | undefined;
  #server: HttpServer | undefined;

  constructor(options: TelemetryOptions, dependencies: TelemetryDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#startedAtMs = dependencies.clock.nowMs();
    this.#log = new SampledLog(dependencies.clock, dependencies.logger);
    this.#collector = new CollectorWatch(dependencies.askCollector, dependencies.clock);
    this.#activity = this.#newActivity([]);
    this.#activity.deadLetterFault = notCountedYet;
    this.#history = new History(this.#startedAtMs);
  }

  async start(): Promise<void> {
    const { http, metrics } = this.#options;
    const exporters = metrics.exporters.filter((exporter) => exporter !== 'prometheus' || http !== 'off');
    if (exporters.length > 0) {
      const { createMetrics } = await import('./metrics.ts');
      this.#metrics = await createMetrics(
        { ...metrics, exporters },
        () => this.#sources(),
        (error) => this.#reportPushFailure(error),
      );
    }
    if (http !== 'off') await this.#serve(http);
    const { clock, logger } = this.#dependencies;
    void new SummaryLog(clock, logger).follow(() => this.#activity, this.#history, this.#closing.signal);
  }

  /**
   * Called for each new agent. Resets all counts, as a restart of the process would, because the lines that the previous agent had
   * in flight will never complete. Keeps the faults: one of them is the reason for the new agent.
   */
  watch(): Observer {
    this.#replaceActivity([]);
    this.#earlyEvents = [];
    void this.#countDeadLetters();
    return (event: AgentEvent) => {
      this.#earlyEvents?.push(event);
      this.#activity.observe(event);
      this.#metrics?.observe(event, this.#dependencies.clock.nowMs());
      if (event.kind === 'settledFaultKnown') this.#logRemembered(event);
      if (event.kind === 'deadLettered') void this.#countDeadLetters(true);
      // Other processes replay them, so each listing is an occasion to look.
      if (event.kind === 'listingEnded') void this.#countDeadLetters();
    };
  }

  /**
   * Takes over what earlier processes have delivered. Call it when the agent has opened the state, because opening migrates the
   * state of an earlier version, and before the agent ships.
   */
  async takeOver(): Promise<void> {
    const { deliveredBefore, deliveredTotals } = this.#dependencies;
    const totals = deliveredTotals(this.#closing.signal);
    totals.catch(() => {}); // Handled below, once the activity is there.
    this.#replaceActivity(await deliveredBefore());
    for (const event of this.#earlyEvents ?? []) this.#activity.observe(event);
    this.#earlyEvents = undefined;
    void this.#countDelivered(totals);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#logDeadLetters((fields, message) => {
      this.#dependencies.logger.error(fields, message);
      return true;
    });
    await this.#server?.close();
    if (this.#metrics === undefined) return;
    const lastPush = this.#metrics.close().catch((error: unknown) => this.#reportPushFailure(error));
    await waitForLastPush(lastPush, this.#dependencies.clock);
  }

  /** Keeps what was not observed from the agent. */
  #replaceActivity(deliveredBefore: readonly DeliveredBefore[]): void {
    const { faults, waitingDeadLetters, deadLetterFault } = this.#activity;
    this.#activity = this.#newActivity(deliveredBefore);
    for (const [code, fault] of faults) this.#activity.faults.set(code, fault);
    this.#activity.waitingDeadLetters = waitingDeadLetters;
    this.#activity.deadLetterFault = deadLetterFault;
  }

  async #countDelivered(reading: Promise<DeliveredTotals | undefined>): Promise<void> {
    const activity = this.#activity;
    try {
      const totals = await reading;
      if (totals !== undefined) activity.countedDelivered(totals);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      this.#log.write('warn', { err: error }, 'Could not sum up what was delivered before; shipping is not affected');
    }
  }

  /** A bucket may take minutes to answer, or to be counted. Until then, what was counted before has to do for who cannot wait. */
  async #countDeadLettersInTime(): Promise<void> {
    await endedWithin(countBoundMs, this.#countDeadLetters(), this.#dependencies.clock);
  }

  async #countDeadLetters(hasWritten = false): Promise<void> {
    try {
      const counted = await this.#dependencies.waitingDeadLetters(hasWritten);
      this.#activity.countedDeadLetters(counted);
    } catch (error) {
      this.#activity.couldNotCountDeadLetters(
        isAgentError(error)
          ? toFault(error)
          : { code: 'ERR_DEAD_LETTER_READ', message: messageOf(error), hint: undefined },
      );
      this.#log.write('error', { err: error }, 'Could not count the dead letters; shipping is not affected');
    }
    this.#logDeadLetters((fields, message) => this.#log.write('error', fields, message));
  }

  /** A count that was omitted is logged later, or the log would end with the count of the first few. */
  #logDeadLetters(write: (fields: object, message: string) => boolean): void {
    const count = this.#activity.waitingDeadLetterCount;
    const isLogged =
      count <= this.#loggedDeadLetters ||
      write({ records: count, hint: replayHint }, 'Dead letters are not in the backend');
    if (isLogged) this.#loggedDeadLetters = count;
  }

  /** The log of the process that read the object may be gone. */
  #logRemembered({ source, objectId, fault }: AgentEvent & { kind: 'settledFaultKnown' }): void {
    if (fault === undefined) return;
    const { status, code, message: reason } = fault;
    this.#log.write(
      status === 'damaged' ? 'error' : 'warn',
      { source, object: objectId, code, reason: printable(reason, 1_000), hint: unreadableHint },
      'The state knows of an object that could not be read as it should be',
      code,
    );
  }

  #reportPushFailure(error: unknown): void {
    const status = error instanceof Error && 'code' in error ? `${error.code} ` : '';
    const reason = printable(`${status}${messageOf(error)}`);
    this.#log.write('warn', { reason }, 'Could not push metrics to the collector; shipping is not affected');
  }

  async #serve(address: HttpAddress): Promise<void> {
    const { clock, logger } = this.#dependencies;
    const [{ HttpServer }, { readLivePage }] = await Promise.all([
      import('./http-server.ts'),
      import('./live-page.ts'),
    ]);
    const server = new HttpServer(
      {
        livez: () => liveness(this.#activity, this.#options.pollIntervalMs, clock.nowMs()),
        readyz: async () => {
          await this.#countDeadLettersInTime();
          const answer = await this.#collector.answer(this.#activity);
          return readiness(this.#activity, answer, clock.nowMs());
        },
        metrics: this.#metrics?.render && (() => this.#renderMetrics()),
        pageFiles: readLivePage(),
        snapshot: () => JSON.stringify(this.#snapshot()),
        onError: (error) => {
          const reason = printable(messageOf(error));
          this.#log.write(
            'warn',
            { reason },
            'Could not accept an HTTP connection for health, metrics or the live page',
          );
        },
      },
      clock,
      this.#options.httpHosts,
    );
    try {
      logger.info({ url: await server.listen(address) }, 'Serving health, metrics and the live page');
      this.#server = server;
    } catch (error) {
      logger.error(
        { err: listenError(address, error) },
        'Could not serve health, metrics and the live page; shipping continues',
      );
    }
  }

  async #renderMetrics(): Promise<string> {
    await this.#countDeadLettersInTime();
    return (await this.#metrics?.render?.()) ?? '';
  }

  #newActivity(deliveredBefore: readonly DeliveredBefore[]): Activity {
    const { clock } = this.#dependencies;
    const { sourceNames, notifiedSourceNames } = this.#options;
    return new Activity(sourceNames, deliveredBefore, () => clock.nowMs(), notifiedSourceNames);
  }

  #sources() {
    const { clock, stateBytes } = this.#dependencies;
    return {
      activity: this.#activity,
      nowMs: clock.nowMs(),
      stateBytes: stateBytes?.(),
      process: readProcessFigures(),
    };
  }

  #snapshot() {
    const { activity, nowMs, stateBytes, process } = this.#sources();
    const { settings } = this.#options;
    const residentBytes = process.residentBytes;
    const history = this.#history.points;
    return takeSnapshot({
      activity,
      history,
      nowMs,
      stateBytes,
      residentBytes,
      startedAtMs: this.#startedAtMs,
      settings,
    });
  }
}

/** Not fatal, because shipping matters more than monitoring: a port that is already in use must not stop the audit trail. */
function listenError({ host, port }: HttpAddress, cause: unknown): AgentError {
  return new AgentError('ERR_HTTP_LISTEN', `Could not listen on ${host} port ${port}: ${messageOf(cause)}`, {
    cause,
    hint: 'Set DATABRICKS_AUDIT_HTTP to a free address, or to off.',
  });
}
