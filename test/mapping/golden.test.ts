/**
 * Golden pairs: test/mappings/<case>/input.jsonl gives expected.json. `npx vitest run test/mapping -u` writes the expected
 * records anew, to be read before they are committed.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import { goldenLines, goldenOptions, goldenRecords, goldenText } from '../../src/tools/mapping/golden.ts';
import { decodeLogsRequest, recordsOf } from '../support/otlp-decode.ts';

const cases = new URL('../mappings/', import.meta.url);

describe('the built-in mapping', () => {
  it.each(readdirSync(cases))('gives the expected records: %s', async (name) => {
    const directory = new URL(`${name}/`, cases);
    const optionsFile = new URL('options.json', directory);
    const options = goldenOptions.parse(existsSync(optionsFile) ? JSON.parse(readFileSync(optionsFile, 'utf8')) : {});
    const mapper = createMapper({
      layers: options.layers ?? ['databricks-audit'],
      redact: options.redact ?? ['secrets'],
      resourceAttributes: {},
    });
    const encoder = mapper.createEncoder('protobuf');
    const lines = goldenLines(readFileSync(new URL('input.jsonl', directory)), options);
    const records = lines.flatMap((line) => {
      encoder.append(line);
      return recordsOf(decodeLogsRequest(encoder.finish()));
    });
    expect(records).toHaveLength(lines.length);
    await expect(goldenText(records)).toMatchFileSnapshot(new URL('expected.json', directory).pathname);
    expect(goldenRecords(lines, mapper)).toEqual(records.map(({ resource, record }) => ({ resource, record })));
  });
});
