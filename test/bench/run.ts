/**
 * A whole agent that goes on shipping, as a process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { end, here, imageAllocator } from './child.ts';
import { startReceiver } from './receiver.ts';

export interface RunningAgent {
  readonly process: ChildProcess;
  readonly startedAtMs: number;
  /** Resolves when it logs the message. Call it once. */
  logged(message: string): Promise<void>;
  end(): Promise<void>;
}

/** Nothing of the tester's own environment reaches the agent. */
export async function runAgent(source: string, state: string): Promise<RunningAgent> {
  const receiver = await startReceiver();
  const env = {
    ...imageAllocator(),
    DATABRICKS_AUDIT_SOURCE: source,
    DATABRICKS_AUDIT_STATE: state,
    DATABRICKS_AUDIT_HTTP: '127.0.0.1:0',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_LOG_LEVEL: 'debug', // Tells of each object.
  };
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, [here('../../dist/bench/cli.js'), 'run'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return {
    process: child,
    startedAtMs,
    logged: (message) => logged(child, message),
    async end() {
      await end(child);
      await receiver.close();
    },
  };
}

async function logged({ stderr }: ChildProcess, message: string): Promise<void> {
  if (stderr === null) throw new Error('the agent has no log');
  const log: string[] = [];
  const lines = createInterface({ input: stderr });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // It goes on reading, or the agent would wait for a log that nobody takes.
  lines.on('line', (line) => {
    log.push(line);
    if (line.includes(`"msg":"${message}"`)) resolve();
  });
  lines.on('close', () => reject(new Error(`the agent ended before it logged "${message}":\n${log.join('\n')}`)));
  await promise;
}
