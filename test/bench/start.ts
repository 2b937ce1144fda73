/**
 * From the start of the process until the first object was shipped, with an empty state and with a large one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { systemClock, utcDate } from '../../src/runtime/clock.ts';
import { type Cost, costOf, end, here } from './child.ts';
import { startReceiver } from './receiver.ts';
import { type Figures, median, type Table } from './report.ts';
import { objectPath, type Workshop, writeObject } from './workshop.ts';

interface Start extends Cost {
  readonly startSeconds: number;
}

const rounds = 5;

/** @param large the directory of a state, which is used up. */
export async function measureStarts(workshop: Workshop, large: string): Promise<Table> {
  const source = workshop.newDirectory();
  const [empty, full]: [Start[], Start[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    // Of today, and another one each time, so that the first listing finds something to ship.
    writeObject(objectPath(source, String(round), utcDate(systemClock.nowMs())), 'varied', { first: round, count: 1 });
    empty.push(await start(source, workshop.newDirectory()));
    full.push(await start(source, large));
  }
  const emptySeconds = median(empty.map(({ startSeconds }) => startSeconds));
  const { stateObjectCount } = workshop.sizes;
  return {
    name: 'start',
    title: 'From the start of the process until the first object is shipped; `run`, as the image runs it',
    rows: [
      { name: 'empty state', figures: summarise(empty, emptySeconds) },
      { name: `${stateObjectCount.toLocaleString('en')} objects in the state`, figures: summarise(full, emptySeconds) },
    ],
  };
}

function summarise(starts: readonly Start[], emptySeconds: number): Figures {
  const middle = (name: keyof Start) => median(starts.map((start) => start[name]));
  const startSeconds = middle('startSeconds');
  return {
    startSeconds,
    toEmptyState: startSeconds / emptySeconds,
    cpuSeconds: middle('cpuSeconds'),
    peakMiB: middle('peakMiB'),
  };
}

/** Nothing of the tester's own environment reaches the agent. */
async function start(source: string, state: string): Promise<Start> {
  const receiver = await startReceiver();
  const env = {
    DATABRICKS_AUDIT_SOURCE: source,
    DATABRICKS_AUDIT_STATE: state,
    DATABRICKS_AUDIT_HTTP: '127.0.0.1:0',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_LOG_LEVEL: 'debug', // Tells of each object.
  };
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, [here('../../dist/cli.js'), 'run'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    await logged(child, 'Object visited');
    return { startSeconds: (performance.now() - startedAtMs) / 1000, ...costOf(child) };
  } finally {
    await end(child);
    await receiver.close();
  }
}

async function logged(child: ChildProcess, message: string): Promise<void> {
  const log: string[] = [];
  if (child.stderr !== null) {
    for await (const line of createInterface({ input: child.stderr })) {
      log.push(line);
      if (line.includes(`"msg":"${message}"`)) return;
    }
  }
  throw new Error(`the agent ended before it logged "${message}":\n${log.join('\n')}`);
}
