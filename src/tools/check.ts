/**
 * Tries everything that shipping will need, one small request each, and says what is wrong and what to do.
 */
import { hash } from 'node:crypto';
import { createMappers } from '../agent/mappers.ts';
import { encodingOf } from '../agent/wiring.ts';
import type { Configuration } from '../config/index.ts';
import type { Source } from '../contracts/source.ts';
import { openDeliveryState } from '../delivery/index.ts';
import { probeCollector } from '../export/index.ts';
import { createMapper, recordBatch } from '../mapping/index.ts';
import { type AgentError, type ErrorCode, isAgentError, messageOf } from '../model/agent-error.ts';
import type { DeliveredObject } from '../model/object.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { silentLogger } from '../runtime/logger.ts';
import { type BucketFacts, createSources, inspectBucket } from '../sources/index.ts';

export interface CheckResult {
  /** `warning`: it works, and something about it is odd. `skipped`: it was not looked at. */
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly message: string;
  readonly hint?: string | undefined;
}

export interface CheckOptions {
  /** Sends a record through the collector; it stays in the backend. */
  readonly sendRecord?: boolean | undefined;
  readonly clock?: Clock | undefined;
}

export async function* runChecks(
  configuration: Configuration,
  signal: AbortSignal,
  { sendRecord = false, clock = systemClock }: CheckOptions = {},
): AsyncIterable<CheckResult> {
  yield await attempt(() => {
    createMappers(configuration);
    const own = configuration.sources.flatMap(({ mapping = [] }) => mapping);
    return `mapping ${[configuration.mapping.layers.join(', '), ...own].join('; ')} is complete`;
  });
  yield await checkState(configuration);
  for (const location of configuration.sources) {
    for (const source of createSources([location], { stillAfterPolls: 0 })) {
      try {
        yield* checkSource(source, signal);
      } finally {
        await source.close();
      }
    }
    if (location.kind === 's3') yield* checkBucket(await inspectBucket(location, signal, clock), location.bucket);
  }
  if (configuration.logsExporter === 'console') yield { status: 'ok', message: 'records go to standard output' };
  else yield* checkCollector(configuration, signal, clock, sendRecord);
}

async function* checkCollector(
  configuration: Configuration,
  signal: AbortSignal,
  clock: Clock,
  sendRecord: boolean,
): AsyncIterable<CheckResult> {
  const { otlp } = configuration;
  try {
    const probe = await probeCollector(otlp, signal, clock);
    yield probe;
    yield* checkClock(probe.clockAheadMs, 'the collector');
    if (sendRecord && probe.status === 'ok') {
      yield await probeCollector(otlp, signal, clock, testRecord(configuration, clock.nowMs()));
    }
  } catch (error) {
    yield explain(error);
  }
}

/** A request with one record that says what it is. */
function testRecord(configuration: Configuration, nowMs: number): Uint8Array {
  const jsonLine = createMapper(configuration.mapping).toAlertEventLine({
    eventName: 'databricks.audit.check',
    timeMs: nowMs,
    uid: hash('sha256', `check ${nowMs}`),
    workspaceId: undefined,
    severity: 'INFO',
    body: 'A record that `databricks-audit-otel check --send-record` sent. It is no audit event.',
    attributes: {},
  });
  return recordBatch([jsonLine], encodingOf(configuration)).request;
}

/** A Date header and the way of the answer make some seconds of difference by themselves. */
const clockToleranceMs = 5_000;

function* checkClock(aheadMs: number | undefined, server: string): Iterable<CheckResult> {
  if (aheadMs === undefined || Math.abs(aheadMs) <= clockToleranceMs) return;
  const seconds = Math.round(Math.abs(aheadMs) / 1000).toLocaleString('en');
  yield {
    status: 'warning',
    message: `the clock of this machine is ${seconds} s ${aheadMs > 0 ? 'behind' : 'ahead of'} that of ${server}`,
    hint: 'Set it (NTP): which dates are listed and what counts as silence follow it, and S3 refuses requests at 15 minutes.',
  };
}

/** Longer outages than this are unheard of; objects that go before that are a risk. */
const retentionDaysMin = 30;

function* checkBucket({ versioning, lifecycle, clockAheadMs }: BucketFacts, bucket: string): Iterable<CheckResult> {
  yield* checkClock(clockAheadMs, 'S3');
  if (versioning === undefined) {
    yield {
      status: 'skipped',
      message: `versioning of ${bucket}: not checked (it takes s3:GetBucketVersioning)`,
    };
  } else if (versioning === 'enabled') {
    yield { status: 'ok', message: `versioning of ${bucket} is on` };
  } else {
    const hint =
      'Nothing that shipping needs. With versioning, what an overwrite or a deletion took away can be got back.';
    yield { status: 'skipped', message: `versioning of ${bucket} is ${versioning}`, hint };
  }
  if (lifecycle === undefined) {
    const message = `lifecycle of ${bucket}: not checked (it takes s3:GetLifecycleConfiguration)`;
    yield { status: 'skipped', message };
    return;
  }
  const soon = lifecycle.filter(({ afterDays }) => afterDays < retentionDaysMin);
  if (soon.length === 0)
    yield { status: 'ok', message: `lifecycle of ${bucket} keeps objects for ${retentionDaysMin} days at least` };
  for (const { effect, afterDays } of soon) {
    yield {
      status: 'warning',
      message: `lifecycle of ${bucket}: objects are ${effect} after ${afterDays} days`,
      hint: 'What is not shipped by then is lost. Keep objects for longer than the longest outage that you expect.',
    };
  }
}

async function checkState({ stateDirectory }: Configuration): Promise<CheckResult> {
  const damages: CheckResult[] = [];
  const noteDamage = ({ err }: { err?: unknown }) => void damages.push({ ...explain(err), status: 'warning' });
  try {
    const logger = { ...silentLogger, error: noteDamage };
    const state = await openDeliveryState({ directory: stateDirectory, clock: systemClock, logger });
    await state.close();
    if (damages[0] !== undefined) return damages[0];
    return { status: 'ok', message: `state directory ${stateDirectory} can be written` };
  } catch (error) {
    // A check beside a running agent is a good idea, not a mistake.
    if (!isAgentError(error, 'ERR_STATE_LOCKED')) return explain(error);
    return { status: 'warning', message: error.message, hint: 'Fine if that is the agent being checked.' };
  }
}

/** Lists each workspace, and reads the first bytes of one object: that takes every permission that shipping takes. */
async function* checkSource(source: Source, signal: AbortSignal): AsyncIterable<CheckResult> {
  const faults: AgentError[] = [];
  const onFault = (fault: AgentError) => faults.push(fault);
  try {
    const first = await firstObject(source, signal, onFault);
    yield* faults.slice(0, 5).map(asWarning);
    if (faults.some(({ code }) => noDeliveryCodes.includes(code))) return;
    if (first === undefined) {
      const hint = 'Databricks delivers the first files within some hours; until then there is nothing to read.';
      yield { status: 'warning', message: `${source.name} can be listed and holds no audit files yet`, hint };
      return;
    }
    yield { status: 'ok', message: `${source.name} can be listed` };
    for await (const _ of await first.open(signal)) break;
    yield { status: 'ok', message: `${first.origin.id} can be read` };
  } catch (error) {
    yield explain(error);
  }
}

/** Policies allow or deny by prefix, so each workspace is tried. One that is denied is a fault; all of them are an error. */
async function firstObject(
  source: Source,
  signal: AbortSignal,
  onFault: (fault: AgentError) => void,
): Promise<DeliveredObject | undefined> {
  let first: DeliveredObject | undefined;
  const denied: AgentError[] = [];
  for await (const workspace of source.list({ dates: { from: undefined, before: undefined }, signal, onFault })) {
    try {
      for await (const [candidate] of workspace.pages()) {
        first ??= candidate?.object;
        break;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isAgentError(error)) throw error;
      denied.push(error);
    }
  }
  if (first === undefined && denied[0] !== undefined) throw denied[0];
  for (const error of denied) onFault(error);
  return first;
}

const noDeliveryCodes: readonly ErrorCode[] = ['ERR_SOURCE_EMPTY', 'ERR_SOURCE_NO_DELIVERIES'];
const failureCodes: readonly ErrorCode[] = ['ERR_SOURCE_ACCESS_DENIED', 'ERR_SOURCE_NO_DELIVERIES'];

/** Other workspaces go on, but this is nothing to be content with unless it is about what lies outside of the layout. */
function asWarning(fault: AgentError): CheckResult {
  return failureCodes.includes(fault.code) ? explain(fault) : { ...explain(fault), status: 'warning' };
}

async function attempt(check: () => string): Promise<CheckResult> {
  try {
    return { status: 'ok', message: check() };
  } catch (error) {
    return explain(error);
  }
}

function explain(error: unknown): CheckResult {
  return { status: 'failed', message: messageOf(error), hint: isAgentError(error) ? error.hint : undefined };
}
