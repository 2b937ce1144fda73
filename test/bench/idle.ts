/**
 * What an agent holds that has nothing to do: one that has just started, and one that has shipped a backfill.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { residentOf } from './child.ts';
import type { Figures, Table } from './report.ts';
import { runAgent } from './run.ts';
import type { Workshop } from './workshop.ts';

/** Until V8 has noticed that there is nothing to do. */
const idleMs = 300_000;

export async function measureIdle(workshop: Workshop): Promise<readonly Table[]> {
  const [fresh, behindBackfill] = await Promise.all([
    idle(workshop.newDirectory(), workshop.newDirectory(), 'Waiting for the first delivery'),
    idle(workshop.delivery('varied'), workshop.newDirectory(), 'Object visited'),
  ]);
  const rows = [
    { name: 'nothing shipped yet', figures: fresh },
    { name: `${workshop.sizes.lineCount.toLocaleString('en')} lines shipped`, figures: behindBackfill },
  ];
  return [{ name: 'idle', title: `Resident memory after ${idleMs / 60_000} minutes with nothing to do`, rows }];
}

async function idle(source: string, state: string, done: string): Promise<Figures> {
  const agent = await runAgent(source, state);
  try {
    await agent.logged(done);
    await delay(idleMs);
    return residentOf(agent.process);
  } finally {
    await agent.end();
  }
}
