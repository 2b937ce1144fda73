/**
 * The containers that diagnostic settings of Azure Databricks fill.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import type { Source } from '../../../src/contracts/source.ts';
import { createObjectOpener, createSources } from '../../../src/sources/index.ts';
import { diagnosticLogName } from '../../support/azure-logs.ts';
import { listAll, readText } from '../../support/listing.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { type AzureServer, startAzureServer } from '../../support/object-servers/azure-server.ts';
import { patientClock } from '../../support/patient-clock.ts';

let server: AzureServer;
beforeAll(async () => {
  server = await startAzureServer();
});
afterAll(() => server.stop());
beforeEach(() => {
  server.store.containers.clear();
  server.heal();
});

const account = 'az://devstoreaccount1.blob.core.windows.net';

describe('the logs of a storage account', () => {
  test('are one listing for each workspace, with every category of a date before the next date', async () => {
    put('insights-logs-jobs', diagnosticLogName({ date: '2026-11-29', hour: 23 }));
    put('insights-logs-jobs', diagnosticLogName({ date: '2026-11-30', hour: 0 }));
    put('insights-logs-accounts', diagnosticLogName({ date: '2026-11-30', hour: 1 }));
    put('insights-logs-clusters', diagnosticLogName({ date: '2026-11-29', hour: 5 }));
    put('insights-logs-jobs', diagnosticLogName({ workspace: 'ADB-TEST', date: '2026-11-30' }));
    put('other', 'workspaceId=1/date=2026-11-30/a.json');
    const { workspaces, faults } = await listAll(sourceAt(account));
    expect(faults).toEqual([]);
    expect(workspaces.map(({ workspaceId }) => workspaceId)).toEqual(['ADB-PROD', 'ADB-TEST']);
    expect(workspaces[0]?.objects.map(({ origin }) => `${origin.date} ${containerOf(origin.id)}`)).toEqual([
      '2026-11-29 insights-logs-clusters',
      '2026-11-29 insights-logs-jobs',
      '2026-11-30 insights-logs-accounts',
      '2026-11-30 insights-logs-jobs',
    ]);
  });

  test('are found in mixed case, in several subscriptions and groups, and below a prefix', async () => {
    const mixed = diagnosticLogName()
      .replace('SUBSCRIPTIONS', 'subscriptions')
      .replace('MICROSOFT.DATABRICKS', 'Microsoft.Databricks');
    put('insights-logs-jobs', mixed);
    put('insights-logs-jobs', diagnosticLogName({ subscription: '2', group: 'B', workspace: 'SECOND' }));
    expect((await listAll(sourceAt(account))).workspaces.map(({ workspaceId }) => workspaceId)).toEqual([
      'ADB-PROD',
      'SECOND',
    ]);
    const below = sourceAt(`${account}/insights-logs-jobs/resourceId=/SUBSCRIPTIONS/2`);
    expect((await listAll(below)).workspaces.map(({ workspaceId }) => workspaceId)).toEqual(['SECOND']);
  });

  test('of workspaces with one name in two resource groups are one listing', async () => {
    put('insights-logs-jobs', diagnosticLogName({ group: 'A', date: '2026-11-30' }));
    put('insights-logs-jobs', diagnosticLogName({ group: 'B', date: '2026-11-29' }));
    const { workspaces } = await listAll(sourceAt(account));
    expect(
      workspaces.map(({ workspaceId, objects }) => [workspaceId, objects.map(({ origin }) => origin.date)]),
    ).toEqual([['ADB-PROD', ['2026-11-29', '2026-11-30']]]);
  });

  test('are listed from the first date on, and only within the range', async () => {
    for (const day of ['27', '28', '29', '30'])
      put('insights-logs-jobs', diagnosticLogName({ date: `2026-11-${day}` }));
    const source = sourceAt(account);
    await listAll(source);
    const before = server.requests.length;
    const { objects } = await listAll(source, { from: '2026-11-28', before: '2026-11-30' });
    expect(objects.map(({ origin }) => origin.date)).toEqual(['2026-11-28', '2026-11-29']);
    // The containers, and one listing; the folders are known.
    const requests = server.requests.slice(before);
    expect(requests).toHaveLength(2);
    expect(requests[1]).toContain('/y=2026/m=11/d=28/');
  });

  test('say where they are', async () => {
    put('insights-logs-jobs', diagnosticLogName());
    const [object] = (await listAll(sourceAt(account))).objects;
    expect(object?.origin).toMatchObject({
      fileName: 'PT1H.json',
      workspaceId: 'ADB-PROD',
      hasWorkspaceName: true,
      date: '2026-11-30',
      location: {
        'azure.storage.account.name': 'devstoreaccount1',
        'azure.storage.container.name': 'insights-logs-jobs',
        'log.file.path': diagnosticLogName(),
      },
    });
  });

  test('of a new category or workspace are found in time', async () => {
    put('insights-logs-jobs', diagnosticLogName());
    const source = sourceAt(account);
    expect((await listAll(source)).objects).toHaveLength(1);
    put('insights-logs-accounts', diagnosticLogName());
    expect((await listAll(source)).objects).toHaveLength(2);
    put('insights-logs-jobs', diagnosticLogName({ workspace: 'NEW' }));
    let listingCount = 0;
    for (let found = 0; found < 3 && listingCount < 20; listingCount++) found = (await listAll(source)).objects.length;
    expect(listingCount).toBeLessThanOrEqual(12);
  });

  test('are listed without the containers of other services, which are in the same account', async () => {
    put('insights-logs-auditevent', diagnosticLogName({ provider: 'MICROSOFT.KEYVAULT' }));
    put('insights-logs-jobs', diagnosticLogName());
    const { objects, faults } = await listAll(sourceAt(account));
    expect(objects).toHaveLength(1);
    expect(faults).toEqual([]);
  });

  test('are listed where one container may not be, which is reported', async () => {
    put('insights-logs-accounts', diagnosticLogName());
    put('insights-logs-jobs', diagnosticLogName());
    server.fail({ match: /insights-logs-jobs/, failure: denied });
    const { objects, faults } = await listAll(sourceAt(account));
    expect(objects.map(({ origin }) => containerOf(origin.id))).toEqual(['insights-logs-accounts']);
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_ACCESS_DENIED' }]);
  });

  test('of the other categories are listed when one may no longer be', async () => {
    put('insights-logs-accounts', diagnosticLogName());
    put('insights-logs-jobs', diagnosticLogName());
    const source = sourceAt(account);
    await listAll(source);
    server.fail({ match: /insights-logs-jobs/, failure: denied });
    const { objects, faults } = await listAll(source);
    expect(objects.map(({ origin }) => containerOf(origin.id))).toEqual(['insights-logs-accounts']);
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_ACCESS_DENIED' }]);
  });

  test('are not listed in part while Azure is throttling: order is kept, and the next listing has all', async () => {
    put('insights-logs-accounts', diagnosticLogName());
    put('insights-logs-jobs', diagnosticLogName());
    const source = sourceWith(account, { stillAfterPolls: 0, clock: patientClock() });
    await listAll(source);
    server.fail({ match: /insights-logs-jobs/, failure: { status: 503, code: 'ServerBusy' } });
    const { objects, faults } = await listAll(source);
    expect(objects).toEqual([]);
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_THROTTLED' }]);
    server.heal();
    expect((await listAll(source)).objects).toHaveLength(2);
  });

  test('other than those of Azure Monitor are reported', async () => {
    put('insights-logs-jobs', diagnosticLogName());
    put('insights-logs-jobs', diagnosticLogName().replace('PT1H.json', 'copy.txt'));
    const { objects, faults } = await listAll(sourceAt(account));
    expect(objects).toHaveLength(1);
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_LAYOUT', message: expect.stringContaining('copy.txt') }]);
  });

  test('can be opened in another thread', async () => {
    put('insights-logs-jobs', diagnosticLogName(), 'one\n');
    const [object] = (await listAll(sourceAt(account))).objects;
    if (object === undefined) throw new Error('nothing was listed');
    const opener = createObjectOpener(configured(account), { stillAfterPolls: 0 });
    onTestFinished(() => opener.close());
    const { origin, version } = structuredClone({ origin: object.origin, version: object.version });
    expect(await readText({ ...object, open: (signal) => opener.open({ origin, version }, signal) })).toBe('one\n');
  });
});

describe('a prefix', () => {
  const resource = diagnosticLogName().replace(/\/y=.*/, '');
  const inJobs = `${account}/insights-logs-jobs`;
  const inIdsOfResources = resource
    .replace('SUBSCRIPTIONS', 'subscriptions')
    .replace('RESOURCEGROUPS/ANALYTICS', 'resourceGroups/analytics')
    .replace('PROVIDERS/MICROSOFT.DATABRICKS', 'providers/Microsoft.Databricks')
    .replace('WORKSPACES/ADB-PROD', 'workspaces/adb-prod');
  beforeEach(() => {
    put('insights-logs-jobs', diagnosticLogName());
    put('insights-logs-jobs', diagnosticLogName({ workspace: 'ADB-TEST' }));
  });

  test.each([2, 3, 5, 8, 9])(
    'of %i parts in the case of resource ids lists what there is, under its own names',
    async (partCount) => {
      const prefix = inIdsOfResources.split('/').slice(0, partCount).join('/');
      const { objects, faults } = await listAll(sourceAt(`${inJobs}/${prefix}`));
      expect(faults).toEqual([]);
      expect(objects).toHaveLength(partCount === 9 ? 1 : 2);
      const exact = await listAll(sourceAt(`${inJobs}/${resource.split('/').slice(0, partCount).join('/')}`));
      expect(objects.map(({ origin }) => origin)).toEqual(exact.objects.map(({ origin }) => origin));
    },
  );

  test('matches in every case in which there are logs', async () => {
    put('insights-logs-jobs', diagnosticLogName({ group: 'analytics', workspace: 'THIRD' }));
    const { workspaces } = await listAll(sourceAt(`${inJobs}/${resource.split('/').slice(0, 5).join('/')}`));
    expect(workspaces.map(({ workspaceId }) => workspaceId)).toEqual(['ADB-PROD', 'ADB-TEST', 'THIRD']);
  });

  test.each([
    ['workspace', resource.replace('ADB-PROD', 'TYPO'), '/WORKSPACES/ADB-PROD"'],
    ['resource group', resource.replace('ANALYTICS', 'TYPO'), '/RESOURCEGROUPS/ANALYTICS"'],
    [
      'subscription',
      'resourceId=/SUBSCRIPTIONS/TYPO',
      '"resourceId=/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000001"',
    ],
  ])('with a %s that is not there is an error that names what there is', async (_, prefix, there) => {
    const { workspaces, faults } = await listAll(sourceAt(`${inJobs}/${prefix}`));
    expect(workspaces).toEqual([]);
    expect(faults).toMatchObject([
      {
        code: 'ERR_SOURCE_NO_DELIVERIES',
        message: expect.stringContaining(there),
        hint: expect.stringContaining('prefix'),
      },
    ]);
  });

  test('in an empty container is waited for', async () => {
    server.store.containers.set('insights-logs-accounts', new Map());
    const { faults } = await listAll(sourceAt(`${account}/insights-logs-accounts/${resource}`));
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_EMPTY' }]);
  });

  test('of a workspace without a log yet is found at the first listing after its first one', async () => {
    const source = sourceAt(`${inJobs}/${resource.replace('ADB-PROD', 'NEW')}`);
    await listAll(source);
    put('insights-logs-jobs', diagnosticLogName({ workspace: 'NEW' }));
    expect((await listAll(source)).objects).toHaveLength(1);
  });

  test.each([9, 5])('of %i parts to which the rights are limited is listed, or waited for', async (partCount) => {
    const prefix = resource.split('/').slice(0, partCount).join('/');
    server.fail({
      match: /insights-logs-[a-z]+\?(?!.*ANALYTICS)/,
      failure: denied,
    });
    expect((await listAll(sourceAt(`${inJobs}/${prefix}`))).objects).toHaveLength(partCount === 9 ? 1 : 2);
    server.store.containers.set('insights-logs-accounts', new Map());
    const { faults } = await listAll(sourceAt(`${account}/insights-logs-accounts/${prefix}`));
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_EMPTY' }]);
  });

  test('of a workspace whose logs have all been removed is no error', async () => {
    const source = sourceAt(`${inJobs}/${resource}`);
    await listAll(source);
    server.store.containers.get('insights-logs-jobs')?.delete(diagnosticLogName());
    let faultCount = 0;
    for (let listing = 0; listing < 20; listing++) faultCount += (await listAll(source)).faults.length;
    expect(faultCount).toBe(0);
  });

  test('may not be there twice, in two cases', () => {
    expect(() => configured(`${inJobs}/${resource},${inJobs}/${inIdsOfResources}`)).toThrow(/do not overlap/);
  });
});

describe('without logs of Azure Databricks', () => {
  test('an account without any is waited for', async () => {
    const { faults } = await listAll(sourceAt(account));
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_EMPTY', hint: expect.stringContaining('diagnostic setting') }]);
    expect(faults[0]?.message).toContain('no container of diagnostic settings');
  });

  test('an account with those of other services is waited for, and the services are named', async () => {
    put('insights-logs-auditevent', diagnosticLogName({ provider: 'MICROSOFT.KEYVAULT' }));
    const { faults } = await listAll(sourceAt(account));
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_EMPTY' }]);
    expect(faults[0]?.message).toContain('MICROSOFT.KEYVAULT');
  });

  test.each([
    ['account', () => account],
    ['container', () => `${account}/insights-logs-jobs`],
    ['prefix', () => `${account}/insights-logs-jobs/${diagnosticLogName().split('/').slice(0, 5).join('/')}`],
  ])('is no fault of a later process if the state knows logs of the %s, which have been removed', async (_, url) => {
    put('insights-logs-jobs', diagnosticLogName());
    const ids = (await listAll(sourceAt(url()))).objects.map(({ origin }) => origin.id);
    server.store.containers.get('insights-logs-jobs')?.delete(diagnosticLogName());
    put('insights-logs-jobs', 'backup.tar');
    const knows = (known: readonly string[]) => async (idsBeginWith: readonly string[]) =>
      known.some((id) => idsBeginWith.some((start) => id.startsWith(start)));
    expect((await listAll(sourceAt(url()), {}, knows(ids))).faults).toEqual([]);
    const others = ids.map((id) => id.replace('insights-logs-jobs', 'logs'));
    expect((await listAll(sourceAt(url()), {}, knows(others))).faults).toHaveLength(1);
  });

  test('the container of another service is an error', async () => {
    put('insights-logs-auditevent', diagnosticLogName({ provider: 'MICROSOFT.KEYVAULT' }));
    const { faults } = await listAll(sourceAt(`${account}/insights-logs-auditevent`));
    expect(faults).toMatchObject([
      { code: 'ERR_SOURCE_NO_DELIVERIES', message: expect.stringContaining('MICROSOFT.KEYVAULT') },
    ]);
  });

  test('a container with something else entirely is an error that names it', async () => {
    put('insights-logs-jobs', 'backup.tar');
    const { faults } = await listAll(sourceAt(`${account}/insights-logs-jobs`));
    expect(faults).toMatchObject([
      { code: 'ERR_SOURCE_NO_DELIVERIES', message: expect.stringContaining('backup.tar') },
    ]);
  });

  test('a container that does not exist is an error', async () => {
    const source = sourceAt(`${account}/insights-logs-jobs`);
    await expect(listAll(source)).rejects.toMatchObject({ code: 'ERR_SOURCE_NOT_FOUND' });
  });
});

describe('a blob that is appended to', () => {
  const name = diagnosticLogName({ date: '2026-11-30', hour: 8 });

  test('grows until its hour is over and it was the same in two listings after that', async () => {
    const clock = new ManualClock('2026-11-30T08:10:00Z');
    server.store.append('insights-logs-jobs', name, 'half a line');
    const source = sourceWith(account, { stillAfterPolls: 2, clock });
    const visit = async () => {
      const [candidate] = (await listAll(source)).candidates;
      candidate?.settle({ status: 'growing' });
      return candidate?.object.growing;
    };
    expect([await visit(), await visit(), await visit(), await visit()]).toEqual([true, true, true, true]);
    await clock.advance(64 * 60_000);
    expect(await visit()).toBe(true);
    await clock.advance(2 * 60_000);
    expect([await visit(), await visit(), await visit()]).toEqual([true, true, false]);
    server.store.append('insights-logs-jobs', name, ' and the rest');
    expect(await visit()).toBe(true);
  });

  test('is complete for a single pass', async () => {
    server.store.append('insights-logs-jobs', name, 'half a line');
    expect((await listAll(sourceAt(account))).objects.map(({ growing }) => growing)).toEqual([false]);
  });

  test('has another version afterwards, and the listed one can no longer be read', async () => {
    server.store.append('insights-logs-jobs', name, 'one\n');
    const [before] = (await listAll(sourceAt(account))).objects;
    server.store.append('insights-logs-jobs', name, 'two\n');
    const [after] = (await listAll(sourceAt(account))).objects;
    expect(after?.origin).toEqual(before?.origin);
    await expect(before && readText(before)).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
    expect(after && (await readText(after))).toBe('one\ntwo\n');
  });
});

const denied = {
  status: 403,
  code: 'AuthorizationPermissionMismatch',
  headers: { 'x-ms-error-code': 'AuthorizationPermissionMismatch' },
};

function put(container: string, name: string, body = '{}\n'): void {
  server.store.put(container, name, body, { isAppended: true });
}

function containerOf(id: string): string | undefined {
  return /insights-logs-[a-z]+/.exec(id)?.[0];
}

function configured(url: string) {
  return loadConfiguration({ ...server.environment, DATABRICKS_AUDIT_SOURCE: url }).sources;
}

function sourceAt(url: string): Source {
  return sourceWith(url, { stillAfterPolls: 0 });
}

function sourceWith(url: string, dependencies: Parameters<typeof createSources>[1]): Source {
  const [source] = createSources(configured(url), dependencies);
  if (source === undefined) throw new Error('no source');
  onTestFinished(() => source.close());
  return source;
}
