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
  /** Null if a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly log: readonly LogEntry[];
}

export interface AgentProcess {
  readonly pid: number;
  /** The log so far. */
  readonly log: readonly LogEntry[];
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves when the process has exited, however it ended, and all output has been read. */
  readonly exit: Promise<Exit>;
  /** Polls until the condition holds. Throws with the agent's log if the process exits first or on timeout. */
  until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs?: number): Promise<void>;
  /** Waits for the first entry with this message. */
  logged(message: string): Promise<LogEntry>;
  /** Sends SIGTERM and waits for the exit. */
  stop(): Promise<Exit>;
  /** Sends SIGKILL. The process no longer runs once this resolves. */
  kill(): Promise<Exit>;
  signal(name: NodeJS.Signals): void;
}

export interface AgentProcessOptions {
  /** Written to standard input, which is then closed. */
  readonly stdin?: string | Uint8Array | undefined;
  /** A script to run instead of the command-line interface. */
  readonly script?: string | undefined;
  /** A module to preload. */
  readonly preload?: string | undefined;
  /** Run as another user; requires the test to run as root. */
  readonly uid?: number | undefined;
}

export type Environment = Readonly<Record<string, string>>;

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const pollMs = 10;
/** For a machine that is busy with other things. */
const untilTimeoutMs = 90_000;

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

  async function until(
    what: string,
    condition: () => boolean | Promise<boolean>,
    timeoutMs = untilTimeoutMs,
  ): Promise<void> {
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
