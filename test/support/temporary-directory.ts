/**
 * A directory that is removed after the test, or whenever the caller says.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Registers what has to happen at the end: of the test, or of all tests of a file. */
export type CleanUp = (action: () => void | Promise<void>) => void;

export function temporaryDirectory(cleanUp: CleanUp = onTestFinished): string {
  const directory = mkdtempSync(join(tmpdir(), 'databricks-audit-otel-'));
  cleanUp(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
