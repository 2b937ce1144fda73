/**
 * `ship`: ships everything that is there now, then exits. Shows progress on a terminal; the exit code says whether every line was
 * accepted.
 */
import { type Agent, type AgentEvent, createAgent } from '../agent/agent.ts';
import { loadConfiguration } from '../config/index.ts';
import { createLogger } from '../runtime/logger.ts';
import { printable } from '../runtime/printable.ts';
import { type CommandContext, canRedraw, count, counted, type ExitCode, exitCodes, withSources } from './command.ts';
import { createProgressBar, type ProgressBar } from './progress-bar.ts';

/** Tracks the outcome of the last visit to each object. */
class Visits {
  readonly #failed = new Map<string, string>();
  settledCount = 0;

  ended({ objectId, status, fault }: AgentEvent & { kind: 'objectVisited' }): void {
    if (status === 'settled') this.settledCount++;
    // An object that was deleted in the meantime is not a failure; if it still exists, the next listing returns it.
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
    if (canRedraw(stderr, context.environment))
      progress = createProgressBar((await agent.backlog(stop)).sizeBytes, stderr);
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
    `${stopped ? 'Stopped' : 'Shipped'} after ${(elapsedMs / 1000).toFixed(1)} s: ${counted(visits.settledCount, 'object')}, ${counted(counters.linesRead, 'line')} read`,
    `  ${count(counters.linesNew)} new: ${count(counters.linesAccepted)} accepted, ${count(counters.linesDeadLettered)} dead-lettered`,
    `  ${count(counters.linesAlreadyShipped)} already shipped; ${counted(counters.objectsUnchanged, 'object')} unchanged`,
  ];
  for (const [object, reason] of visits.failures.slice(0, 20))
    lines.push(`  not read completely: ${printable(object)}: ${printable(reason, 1_000)}`);
  if (!complete && !stopped && visits.failures.length === 0) lines.push('  some listings failed; see the log');
  if (visits.failures.length > 20) lines.push(`  ... and ${count(visits.failures.length - 20)} more`);
  return `${lines.join('\n')}\n`;
}
