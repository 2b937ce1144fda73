/**
 * The example of docs/immuta.md: the command gives what the page shows.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadMapping } from '../../src/mapping/index.ts';
import { runAgent } from '../support/agent-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

it('docs/immuta.md shows what `mapping test` prints for its record', async () => {
  const page = readFileSync(new URL('../../docs/immuta.md', import.meta.url), 'utf8');
  const [, record = ''] = /^```json\n(.*?)^```$/ms.exec(page) ?? [];
  const [, command = ''] = /^```sh\ndatabricks-audit-otel (.*?)\n```$/m.exec(page) ?? [];
  const [, output = ''] = /^```text\n(.*?)^```$/ms.exec(page) ?? [];
  const sample = join(temporaryDirectory(), 'denied.jsonl');
  writeFileSync(sample, record);
  const { code, stdout } = await runAgent(command.replace('denied.jsonl', sample).split(' '), {});
  expect(code).toBe(0);
  expect(output).not.toBe('');
  expect(stdout.startsWith(output)).toBe(true);
});

it('the mapping of Immuta redacts the same secrets as that of Databricks', () => {
  const secretsOf = (name: string) => {
    const { phrases, harmlessLastWords } = loadMapping([name], '.').redact.secrets;
    return { phrases, harmlessLastWords };
  };
  expect(secretsOf('immuta-audit')).toEqual(secretsOf('databricks-audit'));
});
