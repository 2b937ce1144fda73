import { describe, expect, it } from 'vitest';
import { mappingOptions } from '../../src/mapping/options.ts';

const { DATABRICKS_AUDIT_MAPPING: mapping, DATABRICKS_AUDIT_REDACT: redact } = mappingOptions;

describe('DATABRICKS_AUDIT_MAPPING', () => {
  it('is the built-in mapping by default, else a list', () => {
    expect(mapping.parse(undefined)).toEqual(['databricks-audit']);
    expect(mapping.parse(' databricks-audit , ./ours.yaml,')).toEqual(['databricks-audit', './ours.yaml']);
    expect(mapping.safeParse(' , ').success).toBe(false);
  });
});

describe('DATABRICKS_AUDIT_REDACT', () => {
  it.each([
    [undefined, ['secrets']],
    ['none', []],
    ['secrets', ['secrets']],
    ['commands, secrets', ['secrets', 'commands']],
  ])('reads %s', (value, expected) => {
    expect(redact.parse(value)).toEqual(expected);
  });

  it.each(['', 'all', 'none,secrets', 'secrets,everything'])('refuses "%s" and says what it expects', (value) => {
    const { error } = redact.safeParse(value);
    expect(error?.issues.map(({ message }) => message)).toEqual([
      'expected a comma-separated list of none, secrets, commands',
    ]);
  });
});
