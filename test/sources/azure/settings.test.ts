/**
 * Which account a source means, and how the agent authenticates there.
 */
import { describe, expect, test } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';

const key = Buffer.from('an access key').toString('base64');
const sas = 'sv=2026-02-06&sp=rl&sig=abc%3D';

describe('an account', () => {
  test.each<[string, Record<string, string>, string]>([
    ['az://acme.blob.core.windows.net/logs', {}, 'https://acme.blob.core.windows.net'],
    ['az://logs', { AZURE_STORAGE_ACCOUNT: 'acme' }, 'https://acme.blob.core.windows.net'],
    [
      'abfss://logs@acme.dfs.core.windows.net',
      { AZURE_STORAGE_ACCOUNT: 'other' },
      'https://acme.blob.core.windows.net',
    ],
    [
      'az://logs',
      { AZURE_STORAGE_CONNECTION_STRING: 'UseDevelopmentStorage=true' },
      'http://127.0.0.1:10000/devstoreaccount1',
    ],
    [
      'az://logs',
      { AZURE_STORAGE_CONNECTION_STRING: `AccountName=acme;AccountKey=${key};EndpointSuffix=core.chinacloudapi.cn` },
      'https://acme.blob.core.chinacloudapi.cn',
    ],
    [
      'az://acme.blob.core.windows.net/logs',
      { AZURE_STORAGE_CONNECTION_STRING: `BlobEndpoint=http://localhost:9/acme/;AccountName=acme;AccountKey=${key}` },
      'http://localhost:9/acme',
    ],
    [
      'az://acme.blob.core.windows.net/logs',
      { AZURE_STORAGE_CONNECTION_STRING: `AccountName=other;AccountKey=${key}` },
      'https://acme.blob.core.windows.net',
    ],
    [
      'az://logs',
      {
        AZURE_STORAGE_CONNECTION_STRING: `BlobEndpoint=https://acme.blob.core.windows.net/;SharedAccessSignature=${sas}`,
      },
      'https://acme.blob.core.windows.net',
    ],
  ])('of %s with %j is at %s', (url, environment, endpoint) => {
    expect(resolved(url, environment)).toMatchObject({ endpoint });
  });

  test('that nothing names is a problem with what to set', () => {
    expect(problemsOf('az://logs', {})).toEqual([
      'AZURE_STORAGE_ACCOUNT: expected the name of a storage account, because DATABRICKS_AUDIT_SOURCE names none in az://logs (an account is az://<account>.blob.core.windows.net)',
    ]);
  });

  test('of a variable and another of the connection string are a problem for a source that names none', () => {
    const variables = {
      AZURE_STORAGE_ACCOUNT: 'acme',
      AZURE_STORAGE_CONNECTION_STRING: `AccountName=other;AccountKey=${key}`,
    };
    const [problem, ...others] = problemsOf('az://logs', variables);
    expect(others).toEqual([]);
    expect(problem).toMatch(
      /^AZURE_STORAGE_ACCOUNT: expected the account that AZURE_STORAGE_CONNECTION_STRING names, because .* az:\/\/logs /,
    );
    expect(problemsOf('az://other.blob.core.windows.net/logs', variables)).toEqual([]);
    expect(problemsOf('az://logs', { ...variables, AZURE_STORAGE_ACCOUNT: 'other' })).toEqual([]);
  });

  test('that two forms name is the same one: sources in it may not overlap', () => {
    const problems = problemsOf('az://logs,abfss://logs@acme.dfs.core.windows.net', { AZURE_STORAGE_ACCOUNT: 'acme' });
    expect(problems).toEqual([
      expect.stringContaining('DATABRICKS_AUDIT_SOURCE: expected sources that do not overlap'),
    ]);
  });
});

describe('the credential', () => {
  const url = 'az://acme.blob.core.windows.net/logs';
  test.each<[string, Record<string, string>, object]>([
    ['an identity without any variable', {}, { type: 'identity' }],
    ['the key', { AZURE_STORAGE_KEY: key }, { type: 'sharedKey', key }],
    ['the signature', { AZURE_STORAGE_SAS_TOKEN: `?${sas}` }, { type: 'sas', token: sas }],
    [
      'the key before the signature',
      { AZURE_STORAGE_KEY: key, AZURE_STORAGE_SAS_TOKEN: sas },
      { type: 'sharedKey', key },
    ],
    [
      'an identity where the key is that of another account',
      { AZURE_STORAGE_ACCOUNT: 'other', AZURE_STORAGE_KEY: key },
      { type: 'identity' },
    ],
    [
      'the connection string of the account before all others',
      { AZURE_STORAGE_KEY: key, AZURE_STORAGE_CONNECTION_STRING: `AccountName=acme;SharedAccessSignature=?${sas}` },
      { type: 'sas', token: sas },
    ],
  ])('is %s', (_, environment, credential) => {
    expect(resolved(url, environment)).toMatchObject({ credential });
  });
});

test.each<[Record<string, string>, string]>([
  [{ AZURE_STORAGE_ACCOUNT: 'My-Account' }, 'AZURE_STORAGE_ACCOUNT: expected the name of a storage account'],
  [{ AZURE_STORAGE_KEY: 'secret not base64' }, 'AZURE_STORAGE_KEY: expected an access key'],
  [{ AZURE_STORAGE_SAS_TOKEN: 'sv=secret' }, 'AZURE_STORAGE_SAS_TOKEN: expected a shared access signature'],
  [{ AZURE_STORAGE_CONNECTION_STRING: 'secret' }, 'with AccountName or BlobEndpoint'],
  [{ AZURE_STORAGE_CONNECTION_STRING: 'AccountName=secret' }, 'with AccountKey or SharedAccessSignature'],
  [{ AZURE_STORAGE_CONNECTION_STRING: 'AccountName=acme;AccountKey=secret!' }, 'with an AccountKey in base64'],
  [{ AZURE_STORAGE_CONNECTION_STRING: `AccountName=acme;AccountKey=${key};BlobEndpoint=secret` }, 'BlobEndpoint'],
])('%j is a problem that does not show the value', (environment, problem) => {
  const problems = problemsOf('az://acme.blob.core.windows.net/logs', environment);
  expect(problems).toEqual([expect.stringContaining(problem)]);
  expect(problems.join()).not.toContain('secret');
});

test('all problems are reported at once, and nothing is checked without such a source', () => {
  const environment = { AZURE_STORAGE_ACCOUNT: 'A', AZURE_STORAGE_KEY: '!', AZURE_STORAGE_SAS_TOKEN: '!' };
  expect(problemsOf('az://logs,gs://B', { ...environment })).toHaveLength(1);
  expect(problemsOf('az://logs', environment)).toHaveLength(3);
  expect(resolved('s3://bucket', environment)).toMatchObject({ kind: 's3' });
});

function resolved(url: string, environment: Record<string, string>) {
  return loadConfiguration({ ...environment, DATABRICKS_AUDIT_SOURCE: url }).sources[0];
}

function problemsOf(url: string, environment: Record<string, string>): readonly string[] {
  try {
    resolved(url, environment);
    return [];
  } catch (error) {
    return (error as Error).message.split('\n');
  }
}
