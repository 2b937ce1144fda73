/**
 * Tests everything that shipping needs, with one small request each, and explains how to fix what fails.
 */
import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { futureStart } from '../agent/future-start.ts';
import { createMappers, type MapperFor } from '../agent/mappers.ts';
import { openConfiguredReader } from '../agent/state.ts';
import { encodingOf } from '../agent/wiring.ts';
import type { Configuration } from '../config/index.ts';
import type { CheckResult } from '../contracts/check-result.ts';
import type { DeliveryReader } from '../contracts/delivery-reader.ts';
import type { ListingRequest, Source } from '../contracts/source.ts';
import { probeState } from '../delivery/index.ts';
import { inspectDeadLetters, openDeadLetterStore, probeCollector } from '../export/index.ts';
import { createMapper } from '../mapping/index.ts';
import { type AgentError, adviceOf, type ErrorCode, isAgentError, messageOf } from '../model/agent-error.ts';
import type { DeliveredObject } from '../model/object.ts';
import type { StateDirectory } from '../model/state-location.ts';
import { recordBatch } from '../otlp/record-batch.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { probeDirectory } from '../runtime/probe-directory.ts';
import { probeStore } from '../sharing/index.ts';
import { createSources, inspectQueue, inspectSource } from '../sources/index.ts';
import { checkRecords } from './check-records.ts';
import { checkResource } from './check-resource.ts';

export type { CheckResult } from '../contracts/check-result.ts';

export interface CheckOptions {
  /** Sends a test record through the collector; it stays in the backend. */
  readonly sendRecord?: boolean | undefined;
  readonly clock?: Clock | undefined;
}

export async function* runChecks(
  configuration: Configuration,
  signal: AbortSignal,
  { sendRecord = false, clock = systemClock }: CheckOptions = {},
): AsyncIterable<CheckResult> {
  let mapperFor: MapperFor | undefined;
  yield await attempt(() => {
    mapperFor = createMappers(configuration);
    const own = configuration.sources.flatMap(({ mapping = [] }) => mapping);
    return `mapping ${[configuration.mapping.layers.join(', '), ...own].join('; ')} is complete`;
  });
  const waiting = futureStart(configuration, clock.nowMs());
  if (waiting !== undefined) yield { status: 'warning', ...waiting };
  const {
    state,
    mapping: { resourceAttributes },
  } = configuration;
  if (state.kind === 'directory') yield await checkStateDirectory(state);
  else yield* probeStore(state, signal);
  yield* checkResource(resourceAttributes, { isShared: state.kind !== 'directory' });
  for (const location of configuration.sources) {
    for (const source of createSources([location], { stillAfterPolls: 0 })) {
      try {
        yield* checkSource(source, configuration, signal);
        yield* checkRecords(source, mapperFor, {
          signal,
          nowMs: clock.nowMs(),
          layers: configuration.mapping.layers,
        });
      } finally {
        await source.close();
      }
    }
    const { results, serverClock } = await inspectSource(location, signal, clock);
    if (serverClock !== undefined) yield* checkClock(serverClock.aheadMs, serverClock.server);
    yield* results;
  }
  yield* checkDeadLetters(configuration, signal);
  for (const queue of configuration.queues) yield* await inspectQueue(queue, signal);
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

/** A request with one record that identifies itself as a test. */
function testRecord(configuration: Configuration, nowMs: number): Uint8Array {
  const jsonLine = createMapper(configuration.mapping).toAlertEventLine({
    eventName: 'databricks.audit.check',
    timeMs: nowMs,
    uid: hash('sha256', `check ${nowMs}`),
    workspaceId: undefined,
    severity: 'INFO',
    body: 'Test record sent by `databricks-audit-otel check --send-record`. Not an audit event.',
    attributes: {},
  });
  return recordBatch([jsonLine], encodingOf(configuration)).request;
}

/** The resolution of the Date header and the network delay account for some seconds. */
const clockToleranceMs = 5_000;

function* checkClock(aheadMs: number | undefined, server: string): Iterable<CheckResult> {
  if (aheadMs === undefined || Math.abs(aheadMs) <= clockToleranceMs) return;
  const seconds = Math.round(Math.abs(aheadMs) / 1000).toLocaleString('en');
  yield {
    status: 'warning',
    message: `the clock of this machine is ${seconds} s ${aheadMs > 0 ? 'behind' : 'ahead of'} that of ${server}`,
    hint: 'Synchronise it (NTP). It decides which dates are listed and what counts as silence, and cloud storage rejects requests if it is off by 15 minutes.',
  };
}

async function checkStateDirectory({ path }: StateDirectory): Promise<CheckResult> {
  try {
    const found = await probeState(path);
    const message = found === 'exists' ? 'is writable' : 'does not exist yet and can be created';
    return { status: 'ok', message: `state directory ${path} ${message}` };
  } catch (error) {
    if (isAgentError(error, 'ERR_STATE_LOCKED')) {
      // Checking while the agent is running is legitimate.
      return {
        status: 'warning',
        message: error.message,
        hint: 'This is fine if that process is the agent you are checking.',
      };
    }
    // The agent handles both when it starts.
    return isAgentError(error, 'ERR_STATE_DAMAGED', 'ERR_STATE_OLDER')
      ? { ...explain(error), status: 'warning' }
      : explain(error);
  }
}

/** Only a rejected record would notice, and then wait for ever. The check of the state covers a directory that will be created in it. */
async function* checkDeadLetters(
  { deadLetters, state }: Configuration,
  signal: AbortSignal,
): AsyncIterable<CheckResult> {
  yield* await inspectDeadLetters(deadLetters, signal);
  if (deadLetters.kind !== 'directory') return;
  const { path } = deadLetters;
  const isInState = state.kind === 'directory' && resolve(dirname(path)) === resolve(state.path);
  if (isInState && !existsSync(path)) return;
  const store = openDeadLetterStore(deadLetters);
  try {
    probeDirectory(path);
    await store.list();
    if (!isInState) yield { status: 'ok', message: `dead letters can be kept in ${path}` };
  } catch (error) {
    yield {
      status: 'failed',
      message: `dead letters cannot be kept in ${path}: ${messageOf(error)}`,
      hint: 'Free space or make the directory writable for this user, or set DATABRICKS_AUDIT_DEAD_LETTERS to another one.',
    };
  } finally {
    await store.close();
  }
}

/** Lists each workspace and reads the first bytes of one object, which requires every permission that shipping requires. */
async function* checkSource(
  source: Source,
  configuration: Configuration,
  signal: AbortSignal,
): AsyncIterable<CheckResult> {
  const faults: AgentError[] = [];
  const onFault = (fault: AgentError) => faults.push(fault);
  let isRemoved: boolean | undefined;
  const knowsAny = async (idsBeginWith: readonly string[]) => {
    isRemoved = await stateKnowsAny(configuration, idsBeginWith, signal);
    return isRemoved;
  };
  try {
    const dates = { from: undefined, before: undefined };
    const first = await firstObject(source, { dates, signal, onFault, knowsAny });
    yield* faults.slice(0, 5).map(asWarning);
    if (faults.some(({ code }) => noDeliveryCodes.includes(code))) return;
    if (first === undefined && isRemoved) {
      const message = `${source.name} can be listed, and the objects that the state knows have been removed`;
      yield { status: 'warning', message, hint: 'Whether an object can be read is not known until there is one.' };
      return;
    }
    if (first === undefined) {
      const hint = 'Databricks delivers the first files after some hours. Until then there is nothing to read.';
      yield { status: 'warning', message: `${source.name} can be listed but contains no audit files yet`, hint };
      return;
    }
    yield { status: 'ok', message: `${source.name} can be listed` };
    for await (const _ of await first.open(signal)) break;
    yield { status: 'ok', message: `${first.origin.id} can be read` };
  } catch (error) {
    yield explain(error);
  }
}

/** Undefined if the state cannot be read, which other checks report. */
async function stateKnowsAny(
  configuration: Configuration,
  idsBeginWith: readonly string[],
  signal: AbortSignal,
): Promise<boolean | undefined> {
  let state: DeliveryReader | undefined;
  try {
    state = await openConfiguredReader(configuration);
    return (await state?.knowsAny(idsBeginWith, signal)) ?? false;
  } catch (error) {
    signal.throwIfAborted();
    if (!isAgentError(error)) throw error;
    return undefined;
  } finally {
    await state?.close();
  }
}

/** Policies allow or deny by prefix, so each workspace is tested. If some are denied, that is a fault; if all are, an error. */
async function firstObject(source: Source, request: ListingRequest): Promise<DeliveredObject | undefined> {
  const { signal, onFault } = request;
  let first: DeliveredObject | undefined;
  const denied: AgentError[] = [];
  for await (const workspace of source.list(request)) {
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

/** A denied workspace, or a source without deliveries, fails the check. Anything else is a warning. */
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
  return { status: 'failed', message: messageOf(error), hint: isAgentError(error) ? adviceOf(error) : undefined };
}
