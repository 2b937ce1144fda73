/**
 * A whole agent that ships once, as a process, and what that took.
 */
import { spawn } from 'node:child_process';
import { type Cost, costOf, end, firstLine, here, imageAllocator } from './child.ts';
import { startReceiver } from './receiver.ts';

export interface ShipRun extends Cost {
  /** From the start of the process to a state that is closed. */
  readonly wallSeconds: number;
  /** Of `cpuSeconds`, what was spent before the first listing. */
  readonly startCpuSeconds: number;
  readonly linesRead: number;
  readonly linesAccepted: number;
}

export interface ShipOptions {
  readonly source: string;
  readonly state: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Nothing of the tester's own environment reaches the agent. */
export async function ship({ source, state, environment }: ShipOptions): Promise<ShipRun> {
  const receiver = await startReceiver();
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, [here('../../dist/bench/measured-ship.js')], {
    env: {
      ...imageAllocator(),
      DATABRICKS_AUDIT_SOURCE: source,
      DATABRICKS_AUDIT_STATE: state,
      OTEL_EXPORTER_OTLP_ENDPOINT:
        environment?.OTEL_EXPORTER_OTLP_PROTOCOL === 'grpc' ? receiver.grpcUrl : receiver.url,
      ...environment,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const did = JSON.parse(await firstLine(child)) as Omit<ShipRun, keyof Cost | 'wallSeconds'>;
    const run = { ...did, ...costOf(child), wallSeconds: (performance.now() - startedAtMs) / 1000 };
    const { records } = await receiver.received();
    if (records !== did.linesAccepted) throw new Error(`${did.linesAccepted} lines were accepted, ${records} arrived`);
    return run;
  } finally {
    await end(child);
    await receiver.close();
  }
}
