/**
 * Wires the monitoring of a running agent: metrics, health and the live page.
 */
import assert from 'node:assert/strict';
import type { Configuration } from '../config/index.ts';
import { readDeliveredTotals, readNewestPartitions, stateSizeBytes } from '../delivery/index.ts';
import { openDeadLetterStore, probeCollector } from '../export/index.ts';
import { isAgentError } from '../model/agent-error.ts';
import type { StateLocation } from '../model/state-location.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { createLogger, type Logger } from '../runtime/logger.ts';
import {
  chartDatesMax,
  type DeliveredBefore,
  startOwnLogs,
  startTelemetry,
  type Telemetry,
} from '../telemetry/index.ts';

export type { Telemetry } from '../telemetry/index.ts';

export interface AgentLog {
  readonly logger: Logger;
  /** Sends what is still buffered. */
  close(): Promise<void>;
}

/** The agent's own log, on `destination` and, when configured, to the collector. */
export async function openLog(
  { logLevel, otlp: { protocol }, telemetry: { selfLogs, metrics } }: Configuration,
  destination: NodeJS.WriteStream,
): Promise<AgentLog> {
  if (selfLogs === 'stderr') return { logger: createLogger(logLevel, destination), close: async () => {} };
  assert(protocol !== 'grpc', 'the configuration refuses grpc for the own log');
  const ownLogs = await startOwnLogs({ protocol, resourceAttributes: metrics.resourceAttributes }, systemClock);
  return { logger: createLogger(logLevel, destination, ownLogs.write), close: ownLogs.close };
}

export interface MonitoringDependencies {
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
}

export function startMonitoring(
  configuration: Configuration,
  { logger, clock = systemClock }: MonitoringDependencies,
): Promise<Telemetry> {
  const { telemetry, sources, queues, state, settings, logsExporter, otlp } = configuration;
  const deadLetters = openDeadLetterStore(configuration.deadLetters, clock);
  return startTelemetry(
    {
      ...telemetry,
      pollIntervalMs: Math.max(...sources.map((source) => source.pollIntervalMs)),
      sourceNames: sources.map(({ name }) => name),
      notifiedSourceNames: sources.filter(({ kind }) => kind === 's3' && queues.length > 0).map(({ name }) => name),
      settings,
    },
    {
      clock,
      logger,
      stateBytes: state.kind === 'directory' ? () => stateSizeBytes(state.path) : undefined,
      waitingDeadLetters: (hasWritten) => deadLetters.count(hasWritten),
      deliveredBefore: () => deliveredBefore(state),
      deliveredTotals: (signal) => deliveredTotals(state, signal),
      askCollector:
        logsExporter === 'console'
          ? undefined
          : async (signal) => {
              const { status, message, hint, rejectsEmpty } = await probeCollector(otlp, signal, clock);
              return { answer: { ok: status === 'ok', message, hint }, rejectsEmpty };
            },
    },
  );
}

/** A shared state would have to be scanned. */
async function deliveredBefore(state: StateLocation): Promise<readonly DeliveredBefore[]> {
  if (state.kind !== 'directory') return [];
  const partitions = (await readNewestPartitions(state.path, chartDatesMax).catch(ignoreDamage)) ?? [];
  return partitions.map(({ workspaceId, date, acceptedCount, deadLetteredCount }) => {
    return { workspaceId, date, lineCount: acceptedCount + deadLetteredCount };
  });
}

/** A shared state would have to be scanned. */
async function deliveredTotals(state: StateLocation, signal: AbortSignal) {
  if (state.kind !== 'directory') return undefined;
  return await readDeliveredTotals(state.path, signal).catch(ignoreDamage);
}

/** The agent detects the same damage and handles it. */
function ignoreDamage(error: unknown): undefined {
  if (!isAgentError(error, 'ERR_STATE_DAMAGED')) throw error;
}
