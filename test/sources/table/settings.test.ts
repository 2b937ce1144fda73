import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import { tableParameterNames } from '../../../src/sources/table/location.ts';
import { readSettings } from '../../../src/sources/table/settings.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const source = (url: string) => ({ DATABRICKS_AUDIT_SOURCE: url, HOME: temporaryDirectory() });
const principal = { DATABRICKS_CLIENT_ID: 'client', DATABRICKS_CLIENT_SECRET: 'hush' };
const host = 'https://dbc-a1b2.cloud.databricks.com';
const bare = { DATABRICKS_HOST: host, DATABRICKS_WAREHOUSE_ID: 'abc123' };

function locationOf(url: string, environment: object = principal) {
  return loadConfiguration({ ...source(url), ...environment }).sources[0];
}

function problemsOf(environment: Readonly<Record<string, string>>): string {
  try {
    loadConfiguration(environment);
    return '';
  } catch (error) {
    return String(error);
  }
}

describe('the location of a table', () => {
  it.each([
    ['databricks://dbc-a1b2.cloud.databricks.com/abc123', 'dbc-a1b2.cloud.databricks.com', 'abc123'],
    ['databricks://dbc-a1b2.cloud.databricks.com:443/abc123', 'dbc-a1b2.cloud.databricks.com', 'abc123'],
    ['databricks://DBC-a1b2.cloud.databricks.com/abc123/', 'dbc-a1b2.cloud.databricks.com', 'abc123'],
    ['databricks://adb-1.2.azuredatabricks.net/sql/1.0/warehouses/abc123', 'adb-1.2.azuredatabricks.net', 'abc123'],
  ])('%s has a host and a warehouse', (url, expectedHost, warehouseId) => {
    expect(locationOf(url)).toMatchObject({ kind: 'table', origin: `https://${expectedHost}`, warehouseId });
  });

  it('takes what it does not say from the environment', () => {
    const whole = { origin: host, warehouseId: 'abc123' };
    expect(locationOf('databricks://', { ...principal, ...bare })).toMatchObject(whole);
    expect(locationOf('databricks://', { ...principal, ...bare, DATABRICKS_HOST: new URL(host).host })).toMatchObject(
      whole,
    );
    expect(
      locationOf('databricks://dbc-a1b2.cloud.databricks.com', { ...principal, DATABRICKS_WAREHOUSE_ID: 'abc123' }),
    ).toMatchObject(whole);
  });

  it('is polled every hour, whatever the interval of other sources, unless it says otherwise', () => {
    const url = 'databricks://dbc-a1b2.cloud.databricks.com/abc123';
    expect(locationOf(url, { ...principal, DATABRICKS_AUDIT_POLL_INTERVAL: '60s' })?.pollIntervalMs).toBe(3_600_000);
    expect(locationOf(`${url}?poll=15m`)?.pollIntervalMs).toBe(900_000);
  });

  it('has parameters of its own', () => {
    const url = 'databricks://dbc-a1b2.cloud.databricks.com/abc123';
    expect(locationOf(url)).toMatchObject({ bucketMs: 3_600_000, table: 'system.access.audit', workspaces: undefined });
    expect(locationOf(`${url}?bucket=10m&table=main.audit.View&workspaces=2%2C1%2C2`)).toMatchObject({
      bucketMs: 600_000,
      table: 'main.audit.view',
      workspaces: ['1', '2'],
    });
  });

  it.each([
    ['databricks://https://dbc-a1b2.cloud.databricks.com/abc', 'without https://'],
    ['databricks://token:dapi123@dbc-a1b2.cloud.databricks.com/abc', 'without a user or token'],
    ['databricks://dbc_a1b2!/abc', 'the host of a workspace'],
    ['databricks://dbc-a1b2.cloud.databricks.com:99999/abc', 'the host of a workspace'],
    ['databricks://dbc-a1b2.cloud.databricks.com/a/b', 'the id of a SQL warehouse'],
    ['databricks:///abc', 'or databricks:// alone'],
    ['databricks://dbc-a1b2.cloud.databricks.com/abc?bucket=7m', 'bucket: expected 1h, or minutes that divide an hour'],
    ['databricks://dbc-a1b2.cloud.databricks.com/abc?bucket=2h', 'bucket: expected'],
    ['databricks://dbc-a1b2.cloud.databricks.com/abc?table=audit', 'table: expected catalog.schema.table'],
    ['databricks://dbc-a1b2.cloud.databricks.com/abc?workspaces=all', 'workspaces: expected ids'],
    [
      'databricks://dbc-a1b2.cloud.databricks.com/abc?region=eu',
      'no parameters but bucket, mapping, poll, table, and workspaces',
    ],
    ['s3://bucket?bucket=1h', 'no parameters but mapping and poll'],
  ])('%s is refused', (url, problem) => {
    expect(problemsOf({ ...source(url), ...principal })).toContain(problem);
  });

  it('must not be the table of another source, also if only the environment tells', () => {
    const url = 'databricks://dbc-a1b2.cloud.databricks.com/abc';
    expect(problemsOf({ ...source(`${url},${url}def`), ...principal })).toContain('do not overlap');
    expect(problemsOf({ ...source(`${url},databricks://`), ...principal, ...bare })).toContain('do not overlap');
    expect(problemsOf({ ...source(`${url},databricks://other.cloud.databricks.com/abc`), ...principal })).toBe('');
  });
});

describe("Databricks' own variables", () => {
  it('are checked at the start, all at once, if a table is configured, and not otherwise', () => {
    const problems = problemsOf({ ...source('databricks://'), DATABRICKS_AUTH_TYPE: 'azure-cli' });
    expect(problems).toContain('DATABRICKS_HOST: expected the URL of a workspace');
    expect(problems).toContain('DATABRICKS_WAREHOUSE_ID: expected the id of a SQL warehouse');
    expect(problems).toContain('DATABRICKS_AUTH_TYPE: expected pat or oauth-m2m, got "azure-cli"');
    expect(
      problemsOf({ ...source('s3://bucket'), DATABRICKS_AUTH_TYPE: 'azure-cli', DATABRICKS_HOST: 'ftp://x' }),
    ).toBe('');
  });

  it.each<[string, Record<string, string>, string]>([
    ['no credentials', {}, 'DATABRICKS_CLIENT_ID: expected a service principal'],
    ['an id without its secret', { DATABRICKS_CLIENT_ID: 'client' }, 'DATABRICKS_CLIENT_SECRET: expected the secret'],
    [
      'two ways',
      { ...principal, DATABRICKS_TOKEN: 'dapi1' },
      'DATABRICKS_AUTH_TYPE: expected pat or oauth-m2m, because both',
    ],
    ['a type without its token', { ...principal, DATABRICKS_AUTH_TYPE: 'pat' }, 'DATABRICKS_TOKEN: expected a token'],
    ['http', { ...principal, DATABRICKS_HOST: 'http://dbc-a1b2.cloud.databricks.com' }, 'with https'],
    [
      'a token of another workspace',
      { DATABRICKS_TOKEN: 'dapi1', DATABRICKS_HOST: 'https://other.cloud.databricks.com' },
      'only valid for its own',
    ],
    [
      'quotes',
      { ...principal, DATABRICKS_CLIENT_SECRET: '"hush"' },
      'DATABRICKS_CLIENT_SECRET: expected a value without quotes',
    ],
    [
      'a profile that is not there',
      { DATABRICKS_CONFIG_PROFILE: 'audit' },
      'DATABRICKS_CONFIG_PROFILE: could not read',
    ],
  ])('are refused with %s, and no secret is shown', (_, environment, problem) => {
    const problems = problemsOf({ ...source('databricks://dbc-a1b2.cloud.databricks.com/abc'), ...environment });
    expect(problems).toContain(problem);
    expect(problems).not.toMatch(/hush|dapi1/);
  });

  it('are not missed while the profile that should have them is not there', () => {
    const problems = problemsOf({
      ...source('databricks://'),
      DATABRICKS_CONFIG_FILE: '/dev/null',
      DATABRICKS_CONFIG_PROFILE: 'audti',
    });
    expect(problems).toContain('DATABRICKS_CONFIG_PROFILE: expected a profile of /dev/null, got "audti"');
    expect(problems).not.toMatch(/DATABRICKS_(HOST|WAREHOUSE_ID|CLIENT_ID)/);
  });

  it('choose between two ways by DATABRICKS_AUTH_TYPE', () => {
    const both = { ...principal, DATABRICKS_TOKEN: 'dapi1' };
    expect(readSettings({ ...both, DATABRICKS_AUTH_TYPE: 'pat' }).authentication).toEqual({
      type: 'pat',
      token: 'dapi1',
    });
    expect(readSettings({ ...both, DATABRICKS_AUTH_TYPE: 'oauth-m2m' }).authentication).toMatchObject({
      type: 'oauth-m2m',
    });
  });

  it('may come from a profile, which a variable overrides', () => {
    const HOME = temporaryDirectory();
    writeFileSync(
      join(HOME, '.databrickscfg'),
      [
        '; of the CLI',
        '[DEFAULT]',
        `host = ${host}`,
        'warehouse_id: w1',
        '',
        '[audit]',
        'client_id=client',
        'client_secret = a=b',
        '[other]',
        'token = dapi1',
      ].join('\n'),
    );
    const audit = readSettings({ HOME, DATABRICKS_CONFIG_PROFILE: 'audit' });
    expect(audit).toEqual({
      origin: host,
      warehouseId: 'w1',
      authentication: { type: 'oauth-m2m', clientId: 'client', clientSecret: 'a=b' },
      problems: [],
    });
    expect(readSettings({ HOME, DATABRICKS_CONFIG_PROFILE: 'audit', DATABRICKS_WAREHOUSE_ID: 'w2' }).warehouseId).toBe(
      'w2',
    );
    expect(readSettings({ HOME, DATABRICKS_CONFIG_PROFILE: 'none' }).problems.join()).toContain(
      'expected a profile of',
    );
    // Variables that say how to authenticate are enough: an unrelated profile must not add to them.
    expect(readSettings({ HOME, ...principal }).origin).toBeUndefined();
    expect(readSettings({ DATABRICKS_CONFIG_FILE: join(HOME, '.databrickscfg') }).warehouseId).toBe('w1');
  });
});

describe('docs/system-table.md', () => {
  const text = readFileSync(new URL('../../../docs/system-table.md', import.meta.url), 'utf8');

  it('shows variables that are accepted', () => {
    const exported = [...text.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]);
    expect(exported).toHaveLength(3);
    expect(loadConfiguration(Object.fromEntries(exported)).sources).toMatchObject([{ kind: 'table' }]);
  });

  it('describes every parameter and variable', () => {
    for (const name of [...tableParameterNames, 'poll', 'mapping']) expect(text).toContain(`| \`?${name}=\` |`);
    const source = readFileSync(new URL('../../../src/sources/table/settings.ts', import.meta.url), 'utf8');
    for (const [variable] of source.matchAll(/DATABRICKS_[A-Z_]+/g)) expect(text).toContain(`\`${variable}\``);
  });
});
