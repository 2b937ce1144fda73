/**
 * `check` maps the first lines of the newest object, and names the mapping that fits if that of the source does not.
 */
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { createMappers } from '../../src/agent/mappers.ts';
import { createSources, type DirectoryLocation, directoryAt } from '../../src/sources/index.ts';
import { checkRecords } from '../../src/tools/check-records.ts';
import { auditLines } from '../support/delivery-place.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const nowMs = Date.UTC(2026, 10, 30, 12);

function golden(name: string): string {
  return readFileSync(new URL(`../mappings/${name}/input.jsonl`, import.meta.url), 'utf8');
}

function audit(count: number): string {
  return auditLines(count).join('\n');
}

function urlLocation(path: string): DirectoryLocation {
  return { ...directoryAt(path), name: pathToFileURL(path).href };
}

/** @param objects contents, oldest first. */
async function check(
  objects: readonly (string | Uint8Array)[],
  layers: readonly string[] = ['databricks-audit'],
  locationOf: (path: string) => DirectoryLocation = urlLocation,
) {
  const directory = temporaryDirectory();
  for (const [index, content] of objects.entries()) {
    const folder = join(directory, 'workspaceId=1', `date=2026-11-2${index}`);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'auditlogs_1.json');
    writeFileSync(file, content);
    utimesSync(file, 1_760_000_000 + index, 1_760_000_000 + index);
  }
  const [source] = createSources([{ ...locationOf(directory), pollIntervalMs: 0 }], { stillAfterPolls: 0 });
  if (source === undefined) throw new Error('no source');
  const mapperFor = createMappers({
    mapping: { layers, redact: [], resourceAttributes: {}, lateAfterMs: undefined },
    sources: [],
  });
  const { signal } = new AbortController();
  const results = [];
  for await (const result of checkRecords(source, mapperFor, { signal, nowMs, layers })) results.push(result);
  return results;
}

it('says nothing when the records fit, or when there are none', async () => {
  expect(await check([audit(3)])).toEqual([]);
  expect(await check([golden('azure-strings')])).toEqual([]);
  expect(await check([golden('system-table')])).toEqual([]);
  expect(await check([golden('immuta-uam')], ['immuta-audit'])).toEqual([]);
  expect(await check([])).toEqual([]);
  expect(await check([''])).toEqual([]);
});

it('suggests the mapping for Immuta where Immuta writes, also when the object is compressed', async () => {
  for (const content of [golden('immuta-uam'), gzipSync(golden('immuta-unregistered'))]) {
    const [result, ...others] = await check([content]);
    expect(others).toEqual([]);
    expect(result?.status).toBe('warning');
    expect(result?.message).toMatch(
      /^file:\/\/.*auditlogs_1.json: (the first line is no record|none of the first 3 lines is a record) for the mapping \(no timestamp\)$/,
    );
    expect(result?.hint).toBe('They look like records of Immuta. Add ?mapping=immuta-audit to this source.');
  }
});

it('suggests the mapping for Databricks where Databricks writes', async () => {
  const [result] = await check([audit(30)], ['immuta-audit']);
  expect(result?.message).toContain('none of the first 20 lines');
  expect(result?.hint).toBe('They look like records of Databricks. Add ?mapping=databricks-audit to this source.');
});

it('suggests to replace the mapping that the source has, and to keep the layers that fit the other one', async () => {
  const ours = join(temporaryDirectory(), 'ours.yaml');
  writeFileSync(ours, "version: '1'\nattributes: { ours.team: { value: security } }\n");
  const withMapping = (mapping: string) => (path: string) => ({ ...urlLocation(path), mapping });
  const [immuta] = await check([audit(2)], undefined, withMapping('immuta-audit'));
  expect(immuta?.hint).toBe(
    'They look like records of Databricks. Replace ?mapping=immuta-audit of this source with ?mapping=databricks-audit.',
  );
  const [databricks] = await check([golden('immuta-uam')], undefined, withMapping(`databricks-audit,loki,${ours}`));
  expect(databricks?.hint).toBe(
    `They look like records of Immuta. Replace ?mapping=databricks-audit%2Cloki%2C${ours} of this source with ?mapping=immuta-audit%2Cloki%2C${ours}.`,
  );
  const [byVariable] = await check([golden('immuta-uam')], ['databricks-audit', 'elastic', 'loki']);
  expect(byVariable?.hint).toBe(
    'They look like records of Immuta. Add ?mapping=immuta-audit%2Cimmuta-elastic%2Cloki to this source.',
  );
});

it('suggests a URL for a directory that was configured as a path, because a path takes no parameters', async () => {
  const [result] = await check([golden('immuta-uam')], undefined, directoryAt);
  expect(result?.hint).toMatch(
    /^They look like records of Immuta\. Write the source as file:\/\/\/.*\?mapping=immuta-audit\.$/,
  );
});

it('looks at the newest object, and not at older ones', async () => {
  expect(await check([golden('immuta-uam'), audit(1)])).toEqual([]);
  expect(await check([audit(1), golden('immuta-uam')])).toHaveLength(1);
});

it('names the problem, and no mapping, when no mapping fits', async () => {
  const [result] = await check(['{"records":[{"time":"2025-05-15T15:58:35Z"}]}\n']);
  expect(result?.message).toMatch(/the first line is no record for the mapping \(an envelope of several records\)$/);
  expect(result?.hint).toContain('docs/input.md');
});

it('says nothing if only some lines are no records', async () => {
  expect(await check([`no json\n${audit(1)}`])).toEqual([]);
});
