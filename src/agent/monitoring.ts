/**
 * Wires what watches a running agent: metrics, health and the live page.
 */
import type { Configuration } from '../config/index.ts';
import { readNewestPartitions, stateSizeBytes } from '../delivery/index.ts';
import { probeCollector } from '../export/index.ts';
import { isAgentError } from '../model/agent-error.ts';
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
  /** Sends what is left to send. */
  close(): Promise<void>;
}

/** The agent's own log on `destination`, and to the collector when that is wanted. */
export async function openLog(
  { logLevel, telemetry: { selfLogs, metrics } }: Configuration,
  destination: NodeJS.WriteStream,
): Promise<AgentLog> {
  if (selfLogs === 'stderr') return { logger: createLogger(logLevel, destination), close: async () => {} };
  const ownLogs = await startOwnLogs(metrics.resourceAttributes, systemClock);
  return { logger: createLogger(logLevel, destination, ownLogs.write), close: ownLogs.close };
}

export interface MonitoringSurroundings {
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
}

export function startMonitoring(
  configuration: Configuration,
  { logger, clock = systemClock }: MonitoringSurroundings,
): Promise<Telemetry> {
  const { telemetry, sources, pollIntervalMs, stateDirectory, settings, logsExporter, otlp } = configuration;
  return startTelemetry(
    { ...telemetry, pollIntervalMs, sourceNames: sources.map(({ name }) => name), settings },
    {
      clock,
      logger,
      stateBytes: () => stateSizeBytes(stateDirectory),
      deliveredBefore: () => deliveredBefore(stateDirectory),
      askCollector:
        logsExporter === 'console'
          ? undefined
          : async (signal) => {
              const { status, message, hint } = await probeCollector(otlp, signal, clock);
              return { ok: status === 'ok', message, hint };
            },
    },
  );
}

function deliveredBefore(stateDirectory: string): readonly DeliveredBefore[] {
  try {
    return readNewestPartitions(stateDirectory, chartDatesMax).map(
      ({ workspaceId, date, acceptedCount, deadLetteredCount }) => {
        return { workspaceId, date, lineCount: acceptedCount + deadLetteredCount };
      },
    );
  } catch (error) {
    // The agent meets the same damage and deals with it.
    if (!isAgentError(error, 'ERR_STATE_DAMAGED')) throw error;
    return [];
  }
}
