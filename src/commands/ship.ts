/**
 * `ship`: ships everything that is there now, then exits. Shows progress on a terminal; the exit code says whether every line was
 * accepted.
 */
import { type Agent, type AgentEvent, createAgent } from '../agent/agent.ts';
import { warnOfFutureStart } from '../agent/future-start.ts';
import { loadConfiguration } from '../config/index.ts';
import { systemClock } from '../runtime/clock.ts';
import { createLogger } from '../runtime/logger.ts';
import { printable } from '../runtime/printable.ts';
import { countDeadLetters } from '../tools/replay.ts';
import { type CommandContext, canRedraw, count, counted, type ExitCode, exitCodes, withSources } from './command.ts';
import { createProgressBar, type ProgressBar } from './progress-bar.ts';
import { waitingText } from './replay.ts';

/** Tracks the outcome of the last visit to each object, and how often each source was listed. */
class Visits {
  readonly #failed = new Map<string, FailedVisit>();
  readonly #listings = new Map<string, number>();
  settledCount = 0;

  listed({ source }: AgentEvent & { kind: 'listingEnded' }): void {
    this.#listings.set(source, (this.#listings.get(source) ?? 0) + 1);
  }

  /** What was listed and read repeatedly because something failed is in the counts of the agent as often. */
  get attemptCount(): number {
    return Math.max(1, ...this.#listings.values());
  }

  ended({ objectId, status, fault }: AgentEvent & { kind: 'objectVisited' }): void {
    if (status === 'settled') this.settledCount++;
    // An object that was deleted in the meantime is not a failure; if it still exists, the next listing returns it.
    if (fault === undefined || fault.code === 'ERR_OBJECT_GONE') {
      this.#failed.delete(objectId);
      return;
    }
    this.#failed.set(objectId, { problem: problemOf(status, fault.code), reason: fault.message });
  }

  /** Of an object that is not opened again, because this version was settled in spite of it. */
  remembered({ objectId, fault }: AgentEvent & { kind: 'settledFaultKnown' }): void {
    if (fault === undefined) this.#failed.delete(objectId);
    else this.#failed.set(objectId, { problem: problemOf(fault.status, fault.code), reason: fault.message });
  }

  get failures(): readonly (readonly [object: string, visit: FailedVisit])[] {
    return [...this.#failed];
  }
}

function problemOf(status: string, code: string): string {
  if (status !== 'settled') return 'not read completely';
  return code === 'ERR_OBJECT_UNPARSED' ? 'no record for the mapping' : 'not JSON Lines';
}

interface FailedVisit {
  readonly problem: string;
  readonly reason: string;
}

export async function ship(sources: readonly string[], context: CommandContext): Promise<ExitCode> {
  const { stdout, stderr, stop } = context;
  const configuration = loadConfiguration(withSources(context.environment, sources));
  const logger = createLogger(configuration.logLevel, stderr);
  warnOfFutureStart(configuration, logger, systemClock.nowMs());
  const visits = new Visits();
  let progress: ProgressBar | undefined;
  let complete = false;
  const agent = await createAgent(
    configuration,
    {
      logger,
      stdout,
      stop,
      observer(event) {
        if (event.kind === 'settledFaultKnown') visits.remembered(event);
        if (event.kind === 'listingEnded') visits.listed(event);
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
  const waitingCount = await countDeadLetters(configuration.deadLetters);
  if (waitingCount > 0) stderr.write(`  ${waitingText(waitingCount)}\n`);
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
  if (visits.attemptCount > 1)
    lines.push(
      `  something failed, so there were ${visits.attemptCount} attempts; read, already shipped and unchanged count each of them`,
    );
  for (const [reason, lineCount] of counters.linesUnparsed)
    lines.push(
      `  ${counted(lineCount, 'line')} could not be parsed and ${lineCount === 1 ? 'was' : 'were'} shipped as unparsed: ${reason}`,
    );
  for (const [object, { problem, reason }] of visits.failures.slice(0, 20))
    lines.push(`  ${problem}: ${printable(object)}: ${printable(reason, 1_000)}`);
  if (!complete && !stopped && visits.failures.length === 0) lines.push('  some listings failed; see the log');
  if (visits.failures.length > 20) lines.push(`  ... and ${count(visits.failures.length - 20)} more`);
  return `${lines.join('\n')}\n`;
}
