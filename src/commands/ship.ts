/**
 * `ship`: one shot. Ships what is there now, shows how far it is on a terminal, and says with its exit code whether every
 * line arrived.
 */
import { type Agent, type AgentEvent, createAgent } from '../agent/agent.ts';
import { loadConfiguration } from '../config/index.ts';
import { createLogger } from '../runtime/logger.ts';
import { printable } from '../runtime/printable.ts';
import { type CommandContext, count, type ExitCode, exitCodes, some, withSources } from './command.ts';
import { createProgressBar, type ProgressBar } from './progress-bar.ts';

/** Objects by how the last visit to them ended. */
class Visits {
  readonly #failed = new Map<string, string>();
  settledCount = 0;

  ended({ objectId, status, fault }: AgentEvent & { kind: 'objectVisited' }): void {
    if (status === 'settled') this.settledCount++;
    // What was deleted meanwhile is not part of what is there; if it is after all, the next listing shows it.
    if (fault !== undefined && fault.code !== 'ERR_OBJECT_GONE') this.#failed.set(objectId, fault.message);
    else this.#failed.delete(objectId);
  }

  get failures(): readonly (readonly [object: string, reason: string])[] {
    return [...this.#failed];
  }
}

export async function ship(sources: readonly string[], context: CommandContext): Promise<ExitCode> {
  const { stdout, stderr, stop } = context;
  const configuration = loadConfiguration(withSources(context.environment, sources));
  const visits = new Visits();
  let progress: ProgressBar | undefined;
  let complete = false;
  const agent = await createAgent(
    configuration,
    {
      logger: createLogger(configuration.logLevel, stderr),
      stdout,
      observer(event) {
        if (event.kind !== 'objectVisited') return;
        visits.ended(event);
        const { objectsShipped: objects, linesRead: lines } = agent.counters;
        progress?.advance(event.sizeBytes, { objects, lines });
      },
    },
    'oneShot',
  );
  const startedAtMs = performance.now();
  try {
    if (stderr.isTTY) progress = createProgressBar((await agent.backlog(stop)).sizeBytes, stderr);
    complete = await agent.shipOnce(stop);
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    progress?.end();
    await agent.close();
  }
  const elapsedMs = performance.now() - startedAtMs;
  stderr.write(summarise(agent, visits, complete, elapsedMs, stop.aborted));
  complete &&= visits.failures.length === 0 && agent.counters.linesDeadLettered === 0;
  return complete ? exitCodes.success : exitCodes.failure;
}

function summarise(
  { counters }: Agent,
  visits: Visits,
  complete: boolean,
  elapsedMs: number,
  stopped: boolean,
): string {
  const lines = [
    `${stopped ? 'Stopped' : 'Shipped'} after ${(elapsedMs / 1000).toFixed(1)} s: ${some(visits.settledCount, 'object')}, ${some(counters.linesRead, 'line')} read`,
    `  ${count(counters.linesNew)} new: ${count(counters.linesAccepted)} accepted, ${count(counters.linesDeadLettered)} dead-lettered`,
    `  ${count(counters.linesAlreadyShipped)} already shipped; ${some(counters.objectsUnchanged, 'object')} unchanged`,
  ];
  for (const [object, reason] of visits.failures.slice(0, 20))
    lines.push(`  not read whole: ${printable(object)}: ${printable(reason, 1_000)}`);
  if (!complete && !stopped && visits.failures.length === 0)
    lines.push('  not everything could be listed: the log says what');
  if (visits.failures.length > 20) lines.push(`  ... and ${count(visits.failures.length - 20)} more`);
  return `${lines.join('\n')}\n`;
}
