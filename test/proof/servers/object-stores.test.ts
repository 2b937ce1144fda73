/**
 * Azure Blob Storage and Google Cloud Storage, as independent emulators speak them: the contract of a source, overwrites, and kills.
 */
import { describe, expect, it, vi } from 'vitest';
import { azure } from '../../../src/sources/azure/index.ts';
import { gcs } from '../../../src/sources/gcs/index.ts';
import { describeSource, type Place } from '../../contracts/source-contract.ts';
import { diagnosticLogName } from '../../support/azure-logs.ts';
import { expectNothingLost, expectRepeatsAreEqual, repeatedUids } from '../../support/deliveries.ts';
import {
  auditLines,
  type DeliveryPlace,
  deliveryKey,
  deliveryScene,
  smallBatches,
} from '../../support/delivery-place.ts';
import { type Azurite, azuritePlace, startAzurite } from './azurite.ts';
import { runBuiltAgent, shipAll, startBuiltAgent } from './built-agent.ts';
import { fakeGcsPlace, startFakeGcs } from './fake-gcs.ts';

let placeCount = 0;

function placeAt(
  scheme: string,
  server: {
    readonly environment: Readonly<Record<string, string>>;
    put(bucket: string, key: string, body: string): Promise<void>;
    delete(bucket: string, key: string): Promise<void>;
  },
): Place {
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  const bucket = `contract-${++placeCount}`;
  return {
    url: `${scheme}://${bucket}/audit`,
    put: (path, content) => server.put(bucket, `audit/${path}`, content),
    remove: (path) => server.delete(bucket, `audit/${path}`),
  };
}

describeSource('the azure source on Azurite', azure, async () => placeAt('az', await startAzurite()));

describeSource('the gcs source on fake-gcs-server', gcs, async () => {
  const server = await startFakeGcs();
  const place = placeAt('gs', server);
  await server.createBucket(place.url.split('/')[2] ?? '');
  return place;
});

const stores: Readonly<Record<string, () => Promise<DeliveryPlace>>> = {
  Azurite: async () => azuritePlace(await startAzurite()),
  'fake-gcs-server': async () => fakeGcsPlace(await startFakeGcs()),
};

describe.each(Object.entries(stores))('the agent on %s', (_, createPlace) => {
  it.each([1, 2])('follows overwritten objects, and ships only the added lines (workers: %i)', async (workers) => {
    const { environment, place, receiver } = await deliveryScene(await createPlace(), {
      DATABRICKS_AUDIT_WORKERS: String(workers),
      OTEL_LOG_LEVEL: 'debug',
    });
    const [first, added] = [auditLines(20), auditLines(5, 20)];
    const deliveries = [
      first,
      [...first, ...added],
      [...added, ...first],
      first.slice(0, 3),
      [...first, ...added, ...auditLines(1, 99)],
    ];
    const agent = startBuiltAgent(['run'], environment);
    const visits = () => agent.log.filter(({ msg, status }) => msg === 'Object visited' && status === 'settled').length;
    for (const [index, lines] of deliveries.entries()) {
      const before = visits();
      await place.deliver(deliveryKey('1'), lines);
      await place.deliver(deliveryKey('2', 'auditlogs_2.json.gz'), auditLines(3 * (index + 1), 1_000));
      await agent.until('both were read completely', () => visits() >= before + 2, 60_000);
    }
    expect((await agent.stop()).code).toBe(0);
    const wanted = [...first, ...added, ...auditLines(1, 99), ...auditLines(15, 1_000)];
    expectNothingLost(receiver, wanted);
    expect(receiver.accepted).toHaveLength(wanted.length);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it.each([
    'object listed',
    'object opened',
    'prefix verified',
    'announcement durable',
    'request answered',
    'batch settled',
    'object settled',
  ])('killed at "%s", loses nothing, and repeats only what was in flight, byte for byte', async (step) => {
    const { environment, place, receiver } = await deliveryScene(await createPlace(), {
      DATABRICKS_AUDIT_MAX_IN_FLIGHT: '1',
    });
    const lines = auditLines(15);
    await place.deliver(deliveryKey(), lines.slice(0, 6));
    await shipAll(environment);
    await place.deliver(deliveryKey(), lines);
    const at = { KILL_AT_STEP: step, KILL_AT_PASSING: '1' };
    const { code, stderr } = await runBuiltAgent(['ship'], { ...environment, ...at }, killAtStep);
    expect(code, `"${step}" was reached and the process killed there\n${stderr}`).toBeNull();
    // Overwritten before the restart: other lines around the old ones.
    const after = [...auditLines(2, 100), ...lines.toReversed(), ...auditLines(2, 200)];
    await place.deliver(deliveryKey(), after);
    await shipAll(environment);
    expectNothingLost(receiver, after);
    expectRepeatsAreEqual(receiver);
    expect(repeatedUids(receiver).length).toBeLessThanOrEqual(smallBatches.records);
  });

  it('passes check, and what was shipped reconciles', async () => {
    const { environment, place } = await deliveryScene(await createPlace());
    await place.deliver(deliveryKey(), auditLines(5));
    await shipAll(environment);
    const checked = await runBuiltAgent(['check'], environment);
    expect(checked.code, checked.stdout).toBe(0);
    const reconciled = await runBuiltAgent(['reconcile'], environment);
    expect(reconciled.code, reconciled.stdout).toBe(0);
    expect(reconciled.stdout).toContain('All 5 lines accounted for');
  });
});

describe('diagnostic settings on Azurite', () => {
  const container = 'insights-logs-jobs';
  const account = 'az://devstoreaccount1.blob.core.windows.net';

  it('append to blobs: each line is shipped once, and half a line when it is complete', async () => {
    const { environment, receiver, azurite } = await scene();
    const [first = '', second = '', third = '', ...others] = auditLines(40);
    const name = diagnosticLogName({ date: today(), hour: new Date().getUTCHours() });
    const agent = startBuiltAgent(['run'], environment);
    const arrived = (count: number) => agent.until(`${count} lines arrived`, () => receiver.accepted.length >= count);
    await azurite.append(container, name, `${first}\n${second.slice(0, 40)}`);
    await arrived(1);
    await azurite.append(container, name, `${second.slice(40)}\n${third}`);
    await arrived(2);
    await azurite.append(container, name, '\n');
    await arrived(3);
    // A new category, and another workspace.
    await azurite.append('insights-logs-accounts', diagnosticLogName({ date: today() }), `${others[0]}\n`);
    await arrived(4);
    for (const [index, line] of others.slice(1).entries()) {
      await azurite.append(container, name, `${line}\n`);
      if (index % 12 === 0) await arrived(5 + index);
    }
    await arrived(40);
    expect((await agent.stop()).code).toBe(0);
    expectNothingLost(receiver, auditLines(40));
    expect(receiver.accepted).toHaveLength(40);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('are followed after a kill in the middle of an append', async () => {
    const { environment, receiver, azurite } = await scene({ DATABRICKS_AUDIT_MAX_IN_FLIGHT: '1' });
    const name = diagnosticLogName();
    const lines = auditLines(15);
    await azurite.append(container, name, text(lines.slice(0, 6)));
    await shipAll(environment);
    await azurite.append(container, name, text(lines.slice(6, 12)));
    const at = { KILL_AT_STEP: 'request answered', KILL_AT_PASSING: '2' };
    const { code } = await runBuiltAgent(['ship'], { ...environment, ...at }, killAtStep);
    expect(code).toBeNull();
    await azurite.append(container, name, text(lines.slice(12)));
    await shipAll(environment);
    expectNothingLost(receiver, lines);
    expectRepeatsAreEqual(receiver);
    expect(repeatedUids(receiver).length).toBeLessThanOrEqual(smallBatches.records);
  });

  it('of 960 blobs in two containers are shipped once, and a second pass reads none of them', async () => {
    const { environment, receiver, azurite } = await scene();
    const containers = ['insights-logs-jobs', 'insights-logs-accounts'];
    const blobs = containers.flatMap((each) =>
      ['ADB-PROD', 'ADB-TEST'].flatMap((workspace) =>
        Array.from({ length: 20 * 24 }, (_, hour) => ({
          each,
          name: diagnosticLogName({ workspace, date: dayOf(hour), hour: hour % 24 }),
        })),
      ),
    );
    for (const [index, { each, name }] of blobs.slice(0, 960).entries())
      await azurite.put(each, name, text(auditLines(1, index)));
    await shipAll(environment);
    expect(receiver.accepted).toHaveLength(960);
    const { stderr } = await runBuiltAgent(['ship'], environment);
    expect(stderr).toContain('960 objects unchanged');
  });

  it.each([
    ['rl', 3_600_000, 0, /shared access signature/],
    ['r', 3_600_000, 1, /permission l \(list\)/],
    ['rl', -3_600_000, 1, /expired/],
  ])(
    'with a signature for %s that is valid for %i ms, check exits with %i',
    async (permissions, validMs, exitCode, told) => {
      const { environment, azurite } = await scene();
      await azurite.append(container, diagnosticLogName(), text(auditLines(3)));
      const token = await azurite.sasOf(container, permissions, validMs);
      const checked = await runBuiltAgent(['check'], {
        ...environment,
        DATABRICKS_AUDIT_SOURCE: `az://${container}`,
        AZURE_STORAGE_CONNECTION_STRING: `BlobEndpoint=${azurite.url};AccountName=devstoreaccount1;SharedAccessSignature=${token}`,
      });
      expect(checked.code, checked.stdout).toBe(exitCode);
      expect(checked.stdout).toMatch(told);
      expect(checked.stdout).not.toMatch(/sig=[^*]/);
    },
  );

  it('are not where check looks, if the container belongs to another service or does not exist', async () => {
    const { environment, azurite } = await scene();
    await azurite.append('insights-logs-auditevent', diagnosticLogName({ provider: 'MICROSOFT.KEYVAULT' }), '{}\n');
    const checkOf = (source: string) => runBuiltAgent(['check'], { ...environment, DATABRICKS_AUDIT_SOURCE: source });
    const other = await checkOf('az://insights-logs-auditevent');
    expect([other.code, other.stdout]).toEqual([1, expect.stringContaining('but "MICROSOFT.KEYVAULT"')]);
    const missing = await checkOf('az://insights-logs-jobs');
    expect([missing.code, missing.stdout]).toEqual([
      1,
      expect.stringContaining('there is no container insights-logs-jobs'),
    ]);
    const waiting = await checkOf(account);
    expect([waiting.code, waiting.stdout]).toEqual([0, expect.stringContaining('add a diagnostic setting')]);
  });

  async function scene(more: Readonly<Record<string, string>> = {}) {
    const azurite: Azurite = await startAzurite();
    const place: DeliveryPlace = {
      source: account,
      environment: azurite.environment,
      deliver: (key, lines) => azurite.put(container, key, text(lines)),
    };
    return { azurite, ...(await deliveryScene(place, more)) };
  }
});

const killAtStep = new URL('../../support/kill-at-step.ts', import.meta.url).href;

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function dayOf(hour: number): string {
  return new Date(Date.UTC(2026, 9, 1) + Math.floor(hour / 24) * 86_400_000).toISOString().slice(0, 10);
}
