/**
 * `state init`, and what the other commands say about a shared state, from an empty account to shipped lines.
 */
import { expect, onTestFinished, test } from 'vitest';
import { runAgent } from '../../support/agent-process.ts';
import { expectNothingLost } from '../../support/deliveries.ts';
import { auditLines, deliveryKey, deliveryScene, letterBucketOf, s3Place } from '../../support/delivery-place.ts';
import { startDynalite } from '../../support/dynamodb-server.ts';
import { startS3Server } from '../../support/s3-server.ts';

async function sharedScene() {
  const [s3, dynamoDb] = [await startS3Server(), await startDynalite()];
  onTestFinished(() => s3.stop());
  const place = await s3Place(s3);
  const scene = await deliveryScene(place, {
    ...dynamoDb.environment,
    DATABRICKS_AUDIT_STATE: 'dynamodb://audit-state',
    DATABRICKS_AUDIT_DEAD_LETTERS: letterBucketOf(place.source),
  });
  return { ...scene, dynamoDb };
}

test('a table is created, checked and shipped with', async () => {
  const { environment, place, receiver } = await sharedScene();
  const lines = auditLines(12);
  await place.deliver(deliveryKey(), lines);

  const missing = await runAgent(['ship'], environment);
  expect(missing.code).toBe(1);
  expect(missing.log).toContainEqual(
    expect.objectContaining({
      err: expect.objectContaining({ code: 'ERR_STATE_NOT_FOUND', hint: expect.stringContaining('state init') }),
    }),
  );
  const unchecked = await runAgent(['check'], environment);
  expect(unchecked).toMatchObject({ code: 1, stdout: expect.stringContaining('there is no table audit-state') });

  const created = await runAgent(['state', 'init'], environment);
  expect(created).toMatchObject({ code: 0, stdout: expect.stringContaining('Created dynamodb://audit-state') });
  const again = await runAgent(['state', 'init'], environment);
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('exists already') });

  const check = await runAgent(['check'], environment);
  expect(check).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('dynamodb://audit-state can be read, changed'),
  });
  const ship = await runAgent(['ship'], environment);
  expect(ship.code, ship.stderr).toBe(0);
  expectNothingLost(receiver, lines);
  const status = await runAgent(['status'], environment);
  expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining('12 lines accepted') });
});

test('state init needs nothing but the state and the credentials', async () => {
  const dynamoDb = await startDynalite();
  const environment = { ...dynamoDb.environment, DATABRICKS_AUDIT_STATE: 'dynamodb://audit-state' };
  const created = await runAgent(['state', 'init'], environment);
  expect(created).toMatchObject({ code: 0, stdout: expect.stringContaining('Created dynamodb://audit-state') });
});

test.each([
  ['mapping', 'show'],
  ['detections', '--format', 'loki'],
  ['preview', '-'],
])('%s does not ask for what a shared state needs', async (...commandLine) => {
  const environment = {
    DATABRICKS_AUDIT_STATE: 'postgres://agent@127.0.0.1:9/audit',
    DATABRICKS_AUDIT_QUEUE: 'https://sqs.eu-west-1.amazonaws.com/123456789012/audit',
  };
  const { code, stdout, stderr } = await runAgent(commandLine, environment, { stdin: auditLines(1)[0] });
  expect(code, stderr).toBe(0);
  expect(stdout).not.toBe('');
});

test('check names the permission that is missing', async () => {
  const { environment, dynamoDb } = await sharedScene();
  await runAgent(['state', 'init'], environment);
  dynamoDb.fail({ operation: 'DeleteItem', effect: { status: 400, type: 'AccessDeniedException' }, times: 100 });
  const { code, stdout } = await runAgent(['check'], environment);
  expect(code).toBe(1);
  expect(stdout).toContain('access denied (dynamodb:DeleteItem)');
  expect(stdout).toContain('Allow dynamodb:DeleteItem on');
});

test('state init of a directory is an error', async () => {
  const { code, stderr } = await runAgent(['state', 'init'], { DATABRICKS_AUDIT_STATE: './somewhere' });
  expect(code).toBe(2);
  expect(stderr).toContain('expected dynamodb:// or postgres://, got the directory ./somewhere');
});

test('a password never appears, also if the URL is wrong or the server is away', async () => {
  const { environment } = await sharedScene();
  for (const url of [
    'postgres://agent:swordfish@127.0.0.1:9/audit?sslmode=disable',
    'postgres://agent:swordfish@127.0.0.1:9/audit?sslmode=maybe',
    'postgres://agent:sword#fish@127.0.0.1:9/audit',
    'postgres://agent:swordfish/audit',
  ]) {
    const { code, stdout, stderr } = await runAgent(['check'], { ...environment, DATABRICKS_AUDIT_STATE: url });
    expect(code).not.toBe(0);
    expect(stdout + stderr).not.toMatch(/sword|fish/);
  }
});
