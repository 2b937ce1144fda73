/**
 * Runs the agent as users do: `node src/cli.ts` in a separate process with a clean environment. The process never outlives the test
 * that started it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** A line of the agent's own log. */
export interface LogEntry {
  readonly level: string;
  readonly msg: string;
  readonly err?: { readonly message: string; readonly code?: string; readonly hint?: string };
  readonly [field: string]: unknown;
}

export interface Exit {
  /** Null when a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly log: readonly LogEntry[];
}

export interface AgentProcess {
  readonly pid: number;
  /** What was logged so far. */
  readonly log: readonly LogEntry[];
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves when the process has ended, by itself or not, and all of its output was read. */
  readonly exit: Promise<Exit>;
  /** Polls until the condition holds. Throws with the agent's log when the process ends first or time runs out. */
  until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs?: number): Promise<void>;
  /** The first entry with this message, once it is there. */
  logged(message: string): Promise<LogEntry>;
  /** SIGTERM. */
  stop(): Promise<Exit>;
  /** SIGKILL: nothing of the process runs any more once it resolves. */
  kill(): Promise<Exit>;
  signal(name: NodeJS.Signals): void;
}

export interface AgentProcessOptions {
  /** Written to standard input, which is closed behind it. */
  readonly stdin?: string | Uint8Array | undefined;
  /** What to run instead of the command line interface. */
  readonly script?: string | undefined;
  /** A module that runs before it. */
  readonly preload?: string | undefined;
  /** Another user than that of the test, who has to be root for it. */
  readonly uid?: number | undefined;
}

export type Environment = Readonly<Record<string, string>>;

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const pollMs = 10;

/** Does not inherit the developer's environment, so that no proxy, AWS profile or endpoint of theirs affects the test. */
export function startAgent(
  commandLine: readonly string[],
  environment: Environment,
  { stdin, script = cli, preload, uid }: AgentProcessOptions = {},
): AgentProcess {
  const env = {
    PATH: process.env.PATH ?? '',
    DATABRICKS_AUDIT_POLL_INTERVAL: '1s',
    DATABRICKS_AUDIT_HTTP: 'off',
    ...(process.env.TEST_WORKERS ? { DATABRICKS_AUDIT_WORKERS: process.env.TEST_WORKERS } : {}),
    // Test events have fixed dates, so every workspace would count as silent.
    DATABRICKS_AUDIT_SILENCE_AFTER: '0',
    ...environment,
  };
  const preloads = preload === undefined ? [] : ['--import', preload];
  const child = spawn(process.execPath, [...preloads, script, ...commandLine], {
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid }),
  });
  child.stdin.on('error', () => {}); // The process may exit without reading its input.
  child.stdin.end(stdin);
  const log: LogEntry[] = [];
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    output.stderr += `${line}\n`;
    if (line.startsWith('{')) log.push(JSON.parse(line));
  });
  const exit = once(child, 'close').then(([code]): Exit => ({ code, ...output, log }));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exit;
  });

  async function until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await condition())) {
      const reason = hasEnded(child) ? `the agent ended (${child.exitCode})` : `${timeoutMs} ms went by`;
      const isOver = hasEnded(child) || performance.now() > deadline;
      // The last output may not have been read until now.
      if (isOver && !(await condition())) throw new Error(`${reason} before this held: ${what}\n${output.stderr}`);
      await delay(pollMs);
    }
  }

  return {
    pid: child.pid ?? 0,
    log,
    get stdout() {
      return output.stdout;
    },
    get stderr() {
      return output.stderr;
    },
    exit,
    until,
    async logged(message) {
      const find = () => log.find((entry) => entry.msg === message);
      await until(`"${message}" is logged`, () => find() !== undefined);
      return find() as LogEntry;
    },
    stop() {
      child.kill('SIGTERM');
      return exit;
    },
    kill() {
      child.kill('SIGKILL');
      return exit;
    },
    signal: (name) => void child.kill(name),
  };
}

/** Runs a command and waits for it to exit. */
export function runAgent(
  commandLine: readonly string[],
  environment: Environment,
  options: AgentProcessOptions = {},
): Promise<Exit> {
  return startAgent(commandLine, environment, options).exit;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
