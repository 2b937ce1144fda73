import { expect, test } from 'vitest';
import { loadConfiguration } from '../../src/config/index.ts';
import { createSources, identityOf } from '../../src/sources/index.ts';

const account = 'acme.blob.core.windows.net';
const workspace = 'dbc-a1b2.cloud.databricks.com';
const environment = {
  DATABRICKS_HOST: `https://${workspace}`,
  DATABRICKS_WAREHOUSE_ID: 'abc123',
  DATABRICKS_CLIENT_ID: 'client',
  DATABRICKS_CLIENT_SECRET: 'hush',
  AZURE_STORAGE_ACCOUNT: 'acme',
  AZURE_STORAGE_SAS_TOKEN: 'sv=1&sig=hush',
};

function configuredAndCreated(url: string) {
  const { sources } = loadConfiguration({ ...environment, DATABRICKS_AUDIT_SOURCE: url });
  const created = createSources(sources, { stillAfterPolls: 0, databricks: { environment } });
  return { configured: sources.map(({ name }) => name), created: created.map(({ name }) => name) };
}

test.each([
  's3://bucket',
  'S3://bucket/a/',
  'arn:aws:s3:::bucket/a',
  'arn:aws:s3:us-west-2:111122223333:accesspoint/audit/a',
  'gs://bucket/a/',
  `az://${account}`,
  `az://${account}/`,
  `az://${account}/logs/a/`,
  `az://${account}/insights-logs-jobs`,
  'az://logs/a',
  'az://insights-logs-jobs',
  `https://${account}/logs/a%20b`,
  'abfss://logs@acme.dfs.core.windows.net/a',
  '/var/logs',
  './logs/',
  'file:///var/a%2Cb',
  'databricks://',
  `databricks://${workspace}`,
  `databricks://${workspace}/abc123`,
  `databricks://${workspace.toUpperCase()}:443/abc123/`,
  `databricks://${workspace}/sql/1.0/warehouses/abc123`,
  'databricks://?table=main.audit.View&bucket=10m',
])('the metrics of %s find its events: the source has the name that the configuration has', (url) => {
  const { configured, created } = configuredAndCreated(url);
  expect(created).toHaveLength(1);
  expect(created).toEqual(configured);
});

test('a table has one name, however its workspace and warehouse are written', () => {
  for (const url of [
    'databricks://',
    `databricks://${workspace}`,
    `databricks://${workspace.toUpperCase()}:443/abc123/`,
    `databricks://${workspace}/sql/1.0/warehouses/abc123?table=System.Access.Audit`,
  ]) {
    expect(configuredAndCreated(url).configured).toEqual([`databricks://${workspace}/abc123`]);
  }
});

test.each([
  ['s3://bucket', 's3://bucket/'],
  ['arn:aws:s3:::bucket/a', 's3://bucket/a/'],
  ['gs://bucket/a/', 'gs://bucket/a/'],
  ['az://logs/a', `az://${account}/logs/a/`],
  [`https://${account}/logs/a`, `az://${account}/logs/a/`],
  [`az://${account}`, `az://${account}/insights-logs-`],
  ['az://insights-logs-jobs', `az://${account}/insights-logs-jobs/`],
  [
    `az://${account}/insights-logs-jobs/resourceId=/subscriptions/1`,
    `az://${account}/insights-logs-jobs/resourceid=/subscriptions/1/`,
  ],
  ['databricks://', `databricks://${workspace}/system.access.audit/`],
  [`databricks://${workspace}/another?table=main.audit.View`, `databricks://${workspace}/main.audit.view/`],
  ['/var/logs', undefined],
])('a shared state knows %s by what its ids begin with: %s', (url, idsBeginWith) => {
  const { sources } = loadConfiguration({ ...environment, DATABRICKS_AUDIT_SOURCE: url });
  expect(sources.map((source) => identityOf(source).idsBeginWith)).toEqual([idsBeginWith]);
});

test('two tables that one warehouse reads have two names', () => {
  const { created } = configuredAndCreated('databricks://?table=main.audit.one,databricks://?table=main.audit.two');
  expect(created).toEqual([
    `databricks://${workspace}/abc123?table=main.audit.one`,
    `databricks://${workspace}/abc123?table=main.audit.two`,
  ]);
});
