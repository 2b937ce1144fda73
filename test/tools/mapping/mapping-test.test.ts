import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import { checkGolden } from '../../../src/tools/mapping/mapping-test.ts';
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
