/**
 * The table of a shared state in DynamoDB: creates it, and says whether its settings suit a state. examples/aws creates the same
 * with Terraform.
 */
import type { TableDescription } from '@aws-sdk/client-dynamodb';
import type { DynamoDbLocation } from '../../model/state-location.ts';
import { readAwsFailure } from '../../runtime/aws/failure.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import type { StoreSetting, StoreSetup } from '../setup.ts';
import { type DynamoDb, loadDynamoDb } from './client.ts';
import { describeDynamoDbError } from './errors.ts';

const pollMs = 500;
/** On-demand tables take some seconds; more if the account creates many. */
const pollsMax = 240;

const attributes = [
  { AttributeName: 'k', AttributeType: 'S' },
  { AttributeName: 's', AttributeType: 'S' },
] as const;
const keys = [
  { AttributeName: 'k', KeyType: 'HASH' },
  { AttributeName: 's', KeyType: 'RANGE' },
] as const;

/**
 * On demand, with deletion protection, TTL and point-in-time recovery. An existing table is left as it is; one with other keys is
 * ERR_STATE_FORMAT.
 */
export async function setUpDynamoDb(
  { table }: DynamoDbLocation,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<StoreSetup> {
  const db = await loadDynamoDb();
  try {
    const isNew = await createTable(db, table, signal);
    const description = await waitUntilActive(db, table, clock, signal);
    if (!isNew) {
      verifyKeys(description, table);
      return { created: false, settings: [] };
    }
    return {
      created: true,
      settings: [await enableExpiry(db, table, signal), await enableRecovery(db, table, signal)],
    };
  } finally {
    db.client.destroy();
  }
}

/** @returns false if it exists. */
async function createTable({ client, sdk }: DynamoDb, table: string, abortSignal: AbortSignal): Promise<boolean> {
  const command = new sdk.CreateTableCommand({
    TableName: table,
    AttributeDefinitions: [...attributes],
    KeySchema: [...keys],
    BillingMode: 'PAY_PER_REQUEST',
    DeletionProtectionEnabled: true,
  });
  try {
    await client.send(command, { abortSignal });
    return true;
  } catch (error) {
    abortSignal.throwIfAborted();
    if (error instanceof sdk.ResourceInUseException) return false;
    throw describeDynamoDbError(error, { action: 'dynamodb:CreateTable', table });
  }
}

async function waitUntilActive(
  db: DynamoDb,
  table: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<TableDescription> {
  for (let poll = 0; poll < pollsMax; poll++) {
    const description = await describeTable(db, table, signal);
    if (description?.TableStatus === 'ACTIVE') return description;
    await clock.sleep(pollMs, signal);
  }
  const error = Object.assign(new Error('the table is still being created'), { name: 'TimeoutError' });
  throw describeDynamoDbError(error, { action: 'dynamodb:DescribeTable', table });
}

/** Indexes may have keys of their own, so other attributes do not matter. */
function verifyKeys({ KeySchema = [], AttributeDefinitions = [] }: TableDescription, table: string): void {
  const hasKeys =
    KeySchema.length === keys.length &&
    keys.every((key) =>
      KeySchema.some((each) => each.AttributeName === key.AttributeName && each.KeyType === key.KeyType),
    );
  const hasTexts = attributes.every(({ AttributeName: name, AttributeType: type }) =>
    AttributeDefinitions.some(({ AttributeName, AttributeType }) => AttributeName === name && AttributeType === type),
  );
  if (hasKeys && hasTexts) return;
  // As DynamoDB itself answers a request for an item of such a table.
  const error = Object.assign(new Error('the table has another key schema'), { name: 'ValidationException' });
  throw describeDynamoDbError(error, { action: 'dynamodb:DescribeTable', table });
}

async function describeTable({ client, sdk }: DynamoDb, table: string, abortSignal: AbortSignal) {
  try {
    const { Table } = await client.send(new sdk.DescribeTableCommand({ TableName: table }), { abortSignal });
    return Table;
  } catch (error) {
    abortSignal.throwIfAborted();
    throw describeDynamoDbError(error, { action: 'dynamodb:DescribeTable', table });
  }
}

const expiryEnabled = 'expired items are deleted by TTL (attribute x)';
const recoveryEnabled = 'point-in-time recovery is enabled';

async function enableExpiry({ client, sdk }: DynamoDb, table: string, abortSignal: AbortSignal): Promise<StoreSetting> {
  const TimeToLiveSpecification = { AttributeName: 'x', Enabled: true };
  const command = new sdk.UpdateTimeToLiveCommand({ TableName: table, TimeToLiveSpecification });
  return await attempt(expiryEnabled, 'dynamodb:UpdateTimeToLive', abortSignal, () =>
    client.send(command, { abortSignal }),
  );
}

async function enableRecovery(
  { client, sdk }: DynamoDb,
  table: string,
  abortSignal: AbortSignal,
): Promise<StoreSetting> {
  const PointInTimeRecoverySpecification = { PointInTimeRecoveryEnabled: true };
  const command = new sdk.UpdateContinuousBackupsCommand({ TableName: table, PointInTimeRecoverySpecification });
  return await attempt(recoveryEnabled, 'dynamodb:UpdateContinuousBackups', abortSignal, () =>
    client.send(command, { abortSignal }),
  );
}

/** Settings beyond the table itself: a state works without them, so a failure is reported and nothing else. */
async function attempt(
  what: string,
  action: string,
  signal: AbortSignal,
  send: () => Promise<unknown>,
): Promise<StoreSetting> {
  try {
    await send();
    return { status: 'ok', message: what };
  } catch (error) {
    signal.throwIfAborted();
    return { status: 'warning', message: `not done (${action}: ${readAwsFailure(error).name}): ${what}` };
  }
}

/** The settings of an existing table. Those that the role may not read are left out. */
export async function* inspectDynamoDb(
  { table }: DynamoDbLocation,
  abortSignal: AbortSignal,
): AsyncGenerator<StoreSetting, void, undefined> {
  const db = await loadDynamoDb();
  const { client, sdk } = db;
  try {
    const expiry = await client
      .send(new sdk.DescribeTimeToLiveCommand({ TableName: table }), { abortSignal })
      .catch(() => undefined);
    const { TimeToLiveStatus = 'DISABLED', AttributeName } = expiry?.TimeToLiveDescription ?? {};
    if (expiry === undefined) {
      yield { status: 'skipped', message: `TTL of table ${table}: not checked (requires dynamodb:DescribeTimeToLive)` };
    } else if (TimeToLiveStatus.startsWith('ENABL') && AttributeName === 'x') {
      yield { status: 'ok', message: `table ${table}: ${expiryEnabled}` };
    } else {
      yield {
        status: 'warning',
        message: `table ${table}: TTL is not enabled for attribute x, so the table grows for ever`,
        hint: `Enable it: aws dynamodb update-time-to-live --table-name ${table} --time-to-live-specification Enabled=true,AttributeName=x`,
      };
    }
    const described = await describeTable(db, table, abortSignal).catch(() => undefined);
    if (described?.DeletionProtectionEnabled === false) {
      yield {
        status: 'warning',
        message: `table ${table} has no deletion protection`,
        hint: 'If the table is lost, everything is shipped again.',
      };
    }
  } finally {
    client.destroy();
  }
}
