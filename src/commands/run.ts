/**
 * `run`: ships continuously until stopped.
 */
import { createAgent } from '../agent/agent.ts';
import { warnOfFutureStart } from '../agent/future-start.ts';
import { openLog, startMonitoring } from '../agent/monitoring.ts';
import { type Configuration, loadConfiguration } from '../config/index.ts';
import { isAgentError } from '../model/agent-error.ts';
import { locationText } from '../model/state-location.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { packageVersion } from '../runtime/package-version.ts';
import { type CommandContext, type ExitCode, exitCodes, wasStopped } from './command.ts';

export async function run({ environment, stdout, stderr, stop }: CommandContext): Promise<ExitCode> {
  const configuration = loadConfiguration(environment);
  const log = await openLog(configuration, stderr);
  try {
    const isSaved = await follow(configuration, { stdout, stop }, log.logger);
    log.logger.info({}, isSaved ? 'Stopped; the state has been saved' : 'Stopped while the start waited for the state');
    return exitCodes.success;
  } finally {
    await log.close();
  }
}

/** @returns false if the signal came before the state was open. */
async function follow(
  configuration: Configuration,
  { stdout, stop }: Pick<CommandContext, 'stdout' | 'stop'>,
  logger: Logger,
): Promise<boolean> {
  stop.addEventListener('abort', () => logger.info({}, 'Stopping; waiting a few seconds for requests in flight'));
  const monitoring = await startMonitoring(configuration, { logger });
  try {
    for (let starts = 1; !stop.aborted; starts++) {
      const dependencies = { logger, stdout, stop, observer: monitoring.watch() };
      const agent = await createAgent(configuration, dependencies).catch((error: unknown) => {
        if (!wasStopped(error, stop)) throw error;
      });
      if (agent === undefined) return false;
      if (starts === 1) reportStart(configuration, logger);
      try {
        await monitoring.takeOver();
        await agent.run(stop);
      } catch (error) {
        // Closing the agent moves a damaged state aside; the next agent creates a new one.
        if (!stop.aborted && !isAgentError(error, 'ERR_STATE_DAMAGED')) throw error;
      } finally {
        await agent.close();
      }
    }
    return true;
  } finally {
    await monitoring.close();
  }
}

function reportStart(configuration: Configuration, logger: Logger): void {
  const { logsExporter, otlp, sources, state, mapping, start } = configuration;
  logger.info(
    {
      version: packageVersion,
      sources: sources.map(({ name }) => name),
      exporter: logsExporter,
      ...(logsExporter === 'otlp' ? { url: withoutQuery(otlp.url), protocol: otlp.protocol } : {}),
      state: locationText(state),
      mapping: mapping.layers,
      start,
    },
    'Agent started',
  );
  warnOfFutureStart(configuration, logger, systemClock.nowMs());
}

/** Some collectors expect a token in the query. */
function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
