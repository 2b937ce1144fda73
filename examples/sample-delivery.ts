/**
 * Ships the bundled sample delivery to the console, then ships it again after simulating an overwrite by Databricks. Run it with
 * "npm start". Prints readable records on a terminal, OTLP/JSON lines when piped.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { renderRecord } from '../src/commands/render-record.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'databricks-audit-sample-'));
const bucket = join(directory, 'bucket');

// With "npm start | head", the reader ends early.
process.stdout.on('error', () => process.exit());
process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));

say('A delivery as found in a bucket: two workspaces, the account level, and a gzip object in the legacy layout:');
cpSync(here('sample-delivery/delivered'), bucket, { recursive: true });
await ship();

say('Databricks overwrites an object with its old lines plus two new ones. Only the new lines are shipped:');
cpSync(here('sample-delivery/overwritten'), bucket, { recursive: true });
await ship();

say('Nothing has changed since, so nothing is shipped:');
await ship();

async function ship(): Promise<void> {
  const child = spawn(process.execPath, [here('../src/cli.ts'), 'ship', bucket], {
    env: {
      ...process.env,
      OTEL_LOGS_EXPORTER: 'console',
      OTEL_LOG_LEVEL: 'warn',
      DATABRICKS_AUDIT_STATE: join(directory, 'state'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  process.prependListener('exit', () => child.kill('SIGKILL'));
  child.stderr.pipe(process.stderr, { end: false });
  for await (const line of createInterface({ input: child.stdout })) {
    process.stdout.write(process.stdout.isTTY ? renderRecord(line) : `${line}\n`);
  }
  const exitCode = child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve)));
  if (exitCode !== 0) throw new Error(`ship exited with code ${exitCode}`);
}

function say(text: string): void {
  process.stderr.write(`\n${text}\n\n`);
}
