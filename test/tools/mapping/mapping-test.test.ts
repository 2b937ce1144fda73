import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import { checkGolden, tryFile, trySource } from '../../../src/tools/mapping/mapping-test.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

it('says how to create the records of a golden pair that has none yet', () => {
  const { mapping } = loadConfiguration({ DATABRICKS_AUDIT_SOURCE: 's3://audit' });
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'input.jsonl'), '{"timestamp":1}\n');
  expect(() => checkGolden(mapping, directory, false)).toThrow(
    expect.objectContaining({ code: 'ERR_SOURCE_READ', hint: expect.stringContaining('--update creates') }),
  );
  expect(checkGolden(mapping, directory, true)).toMatchObject([{ status: 'written' }]);
  expect(checkGolden(mapping, directory, false)).toMatchObject([{ status: 'equal' }]);
});

it('tries the first lines of the newest object of a source, with the mapping of the source', async () => {
  const directory = temporaryDirectory();
  const url = pathToFileURL(directory).href;
  const trial = async (query = '') => {
    const { mapping, sources } = loadConfiguration({ DATABRICKS_AUDIT_SOURCE: `${url}${query}` });
    const [source] = sources;
    if (source === undefined) throw new Error('no source');
    return trySource(mapping, source, new AbortController().signal);
  };
  await expect(trial()).rejects.toMatchObject({ code: 'ERR_SOURCE_EMPTY' });
  const folder = join(directory, 'workspaceId=1', 'date=2026-11-30');
  mkdirSync(folder, { recursive: true });
  const line = '{"timestamp":1759795200000,"workspaceId":"1","serviceName":"jobs","id":"a"}\n';
  writeFileSync(join(folder, 'audit.json.gz'), gzipSync(line.repeat(1_200)));
  const found = await trial();
  expect(found).toMatchObject({ lineCount: 1_000, unparsedCount: 0 });
  expect(found.fields).toContainEqual(expect.objectContaining({ field: 'id', targets: [] }));
  expect(await trial('?mapping=immuta-audit')).toMatchObject({ lineCount: 1_000, unparsedCount: 1_000 });
});

it('redacts its examples as records are redacted', () => {
  const sample = join(temporaryDirectory(), 'sample.jsonl');
  const requestParams = {
    user: 'alice',
    password: 'topsecret',
    conf: JSON.stringify({ api_key: 'topsecret', size: 2 }),
  };
  const line = { timestamp: 1759795200000, serviceName: 'secrets', note: 'plain', requestParams };
  writeFileSync(sample, `${JSON.stringify(line)}\n${JSON.stringify({ password: 'topsecret', unparsed: 'x' })}\n`);
  const trial = (redact: string) =>
    tryFile(loadConfiguration({ DATABRICKS_AUDIT_SOURCE: '.', DATABRICKS_AUDIT_REDACT: redact }).mapping, sample);
  const [redacted, plain] = [trial('secrets'), trial('none')];
  expect(redacted.unparsedCount).toBe(1);
  expect(JSON.stringify(redacted)).not.toContain('topsecret');
  expect(JSON.stringify(plain)).toContain('topsecret');
  const uses = ({ fields }: typeof plain) => fields.map(({ example: _, ...use }) => use);
  expect(uses(redacted)).toEqual(uses(plain));
  expect(redacted.fields.find(({ field }) => field === 'note')?.example).toBe('plain');
});
