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
import type { ContenderRun } from './compare.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import type { Workshop } from './workshop.ts';

/** @returns whether there is a Collector on this machine. */
export function isCollectorBuilt(): boolean {
  return existsSync(collectorProgram());
}

interface Job extends Pick<CollectorJob, 'compression' | 'delivery'> {
  readonly objectCount: number | undefined;
  readonly isDurable: boolean;
}

export async function runCollector(
  workshop: Workshop,
  { delivery, objectCount, compression, isDurable }: Job,
): Promise<ContenderRun> {
  const source = workshop.delivery(delivery, objectCount);
  const receiver = await startReceiver();
  const storage = isDurable ? workshop.newDirectory() : undefined;
  const startedAtMs = performance.now();
  const child = startCollector(
    { source, delivery, receiverUrl: receiver.url, compression, storage },
    workshop.newDirectory(),
  );
  try {
    const lineCount = await allReceived(workshop.lineCount(delivery), receiver, child);
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
