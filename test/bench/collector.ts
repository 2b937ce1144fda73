/**
 * The real OpenTelemetry Collector on the same files, with the same attributes, to the same receiver.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { serverDirectory } from '../proof/servers/recipes.ts';
import { costOf, end } from './child.ts';
import { type CollectorJob, collectorConfiguration } from './collector-configuration.ts';
import { type ContenderRun, compareWithJsonParse } from './compare.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import type { Table } from './report.ts';
import { manyObjects, type Workshop } from './workshop.ts';

type Run = readonly [name: string, objectCount: number, compression: CollectorJob['compression'], isDurable: boolean];

const runs: readonly Run[] = [
  ['one object, durable', 1, 'none', true],
  ['3,000 objects, durable', manyObjects, 'none', true],
  ['one object, durable, gzip', 1, 'gzip', true],
  ['one object, durable, zstd', 1, 'zstd', true],
  ['one object, in memory', 1, 'none', false],
  ['one object, in memory, gzip', 1, 'gzip', false],
  ['one object, in memory, zstd', 1, 'zstd', false],
];

/** @returns nothing when no Collector was built on this machine. */
export async function measureCollector(workshop: Workshop): Promise<readonly Table[]> {
  const { sizes } = workshop;
  if (!existsSync(collectorProgram())) {
    console.log(
      '\nNo Collector to compare with: node test/proof/servers/recipes.ts collector builds it, in some minutes.',
    );
    return [];
  }
  const contenders = runs.map(([name, objectCount, compression, isDurable]) => ({
    name,
    run: () => runCollector(workshop, { objectCount, compression, isDurable }),
  }));
  const title = `OpenTelemetry Collector, ${sizes.lineCount.toLocaleString('en')} lines from the same files to the same receiver`;
  return [{ name: 'collector', title, rows: await compareWithJsonParse(contenders, sizes) }];
}

type Job = Pick<CollectorJob, 'compression'> & { readonly objectCount: number; readonly isDurable: boolean };

async function runCollector(workshop: Workshop, { objectCount, compression, isDurable }: Job): Promise<ContenderRun> {
  const source = workshop.delivery(objectCount);
  const receiver = await startReceiver();
  const storage = isDurable ? workshop.newDirectory() : undefined;
  const startedAtMs = performance.now();
  const child = startCollector({ source, receiverUrl: receiver.url, compression, storage }, workshop.newDirectory());
  try {
    const lineCount = await allReceived(workshop.sizes.lineCount, receiver, child);
    return { ...costOf(child), lineCount, wallSeconds: (performance.now() - startedAtMs) / 1000 };
  } finally {
    await end(child);
    await receiver.close();
  }
}

/** @param directory for its configuration file. */
export function startCollector(job: CollectorJob, directory: string): ChildProcess {
  const configurationFile = join(directory, 'collector.yaml');
  writeFileSync(configurationFile, stringify(collectorConfiguration(job)));
  return spawn(collectorProgram(), ['--config', configurationFile], {
    env: { GOGC: '400' }, // Less garbage collection: a fifth more lines a second, and more memory.
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

function collectorProgram(): string {
  return join(serverDirectory('collector'), 'otelcol');
}

const pollMs = 50;
const patienceMs = 300_000;

/** Resolves once so many records have arrived. */
async function allReceived(count: number, receiver: Receiver, child: ChildProcess): Promise<number> {
  let [records, progressAtMs] = [0, performance.now()];
  while (records < count) {
    await delay(pollMs);
    const { records: now } = await receiver.received();
    if (now > records) [records, progressAtMs] = [now, performance.now()];
    if (child.exitCode !== null || performance.now() - progressAtMs > patienceMs)
      throw new Error(`the Collector sent ${records} of ${count} records and no more`);
  }
  if (records > count) throw new Error(`the Collector sent ${records} records of ${count} lines`);
  return records;
}
