/**
 * Tries everything that shipping will need, one small request each, and says what is wrong and what to do.
 */
import type { Configuration } from './config/index.ts';
import { openDeliveryState } from './delivery/index.ts';
import { probeCollector } from './export/index.ts';
import { createMapper } from './mapping/index.ts';
import { type AgentError, isAgentError, messageOf } from './model/agent-error.ts';
import type { DeliveredObject } from './model/object.ts';
import { systemClock } from './runtime/clock.ts';
import { silentLogger } from './runtime/logger.ts';
import type { Source } from './source.ts';
import { createSources } from './sources/index.ts';

export interface CheckResult {
  /** `warning`: it works, and something about it is odd. */
  readonly status: 'ok' | 'warning' | 'failed';
  readonly message: string;
  readonly hint?: string | undefined;
}

export async function* runChecks(configuration: Configuration, signal: AbortSignal): AsyncIterable<CheckResult> {
  yield await attempt(() => {
    createMapper(configuration.mapping);
    return `mapping ${configuration.mapping.layers.join(', ')} is complete`;
  });
  yield await checkState(configuration);
  for (const source of createSources({ sources: configuration.sources, stillAfterPolls: 0 })) {
    try {
      yield* checkSource(source, signal);
    } finally {
      await source.close();
    }
  }
  if (configuration.logsExporter === 'console') yield { status: 'ok', message: 'records go to standard output' };
  else yield await probeCollector(configuration.otlp, signal, systemClock).catch(explain);
}

async function checkState({ stateDirectory }: Configuration): Promise<CheckResult> {
  const damages: CheckResult[] = [];
  const noteDamage = ({ err }: { err?: unknown }) => void damages.push({ ...explain(err), status: 'warning' });
  try {
    const logger = { ...silentLogger, error: noteDamage };
    const state = openDeliveryState({ directory: stateDirectory, clock: systemClock, logger });
    await state.close();
    if (damages[0] !== undefined) return damages[0];
    return { status: 'ok', message: `state directory ${stateDirectory} can be written` };
  } catch (error) {
    // A check beside a running agent is a good idea, not a mistake.
    if (!isAgentError(error, 'ERR_STATE_LOCKED')) return explain(error);
    return { status: 'warning', message: error.message, hint: 'Fine if that is the agent being checked.' };
  }
}

/** Lists until one object was found and its first bytes were read: that takes every permission that shipping takes. */
async function* checkSource(source: Source, signal: AbortSignal): AsyncIterable<CheckResult> {
  const faults: AgentError[] = [];
  const onFault = (fault: AgentError) => faults.push(fault);
  try {
    const first = await firstObject(source, signal, onFault);
    yield* faults.slice(0, 5).map((fault): CheckResult => ({ ...explain(fault), status: 'warning' }));
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

async function firstObject(
  source: Source,
  signal: AbortSignal,
  onFault: (fault: AgentError) => void,
): Promise<DeliveredObject | undefined> {
  for await (const workspace of source.list({ dates: { from: undefined, before: undefined }, signal, onFault })) {
    for await (const object of workspace.objects()) return object;
  }
  return undefined;
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
