/**
 * From the start of the process until the first object was shipped, with an empty state and with a large one.
 */
import { systemClock, utcDate } from '../../src/runtime/clock.ts';
import { type Cost, costOf } from './child.ts';
import { type Figures, median, type Table } from './report.ts';
import { runAgent } from './run.ts';
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

async function start(source: string, state: string): Promise<Start> {
  const agent = await runAgent(source, state);
  try {
    await agent.logged('Object visited');
    return { startSeconds: (performance.now() - agent.startedAtMs) / 1000, ...costOf(agent.process) };
  } finally {
    await agent.end();
  }
}
