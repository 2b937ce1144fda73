/**
 * Deliveries of different variety, each from its seed alone. How fast an engine is must not depend on which of them it reads.
 */
import { Random } from '../proof/fuzz/random.ts';
import { sampleRecords } from '../support/sample-lines.ts';

export const deliveryNames = ['uniform', 'varied', 'verbose', 'nested'] as const;
export type DeliveryName = (typeof deliveryNames)[number];

/** Lines by their numbers in a delivery, which has no end. */
export interface LineRange {
  readonly first: number;
  readonly count: number;
}

/** Lines of a delivery: of `uniform`, few shapes, users and addresses. */
export function deliveryLines(name: DeliveryName, { first, count }: LineRange, seed = 1): string[] {
  if (name === 'uniform') return sampleRecords(count, first);
  const make = makers[name];
  return Array.from({ length: count }, (_, index) =>
    JSON.stringify(make(Random.ofItem(seed, first + index), first + index)),
  );
}

const makers = { varied: variedRecord, verbose: verboseRecord, nested: nestedRecord } as const;

const [userCount, addressCount, actionCount] = [4_000, 6_000, 120];
const services = ['accounts', 'clusters', 'unityCatalog', 'jobs', 'databrickssql', 'workspace', 'notebook', 'dbfs'];
const statuses = [200, 200, 200, 200, 200, 200, 400, 403, 404, 500];
const words = ['main', 'sales', 'orders', 'region', 'nightly', 'etl', 'default', 'finance', 'model', 'staging'];

/** As Databricks delivers records to S3: many users, addresses and actions, optional fields, ids of their own. */
function variedRecord(random: Random, index: number) {
  const action = random.below(actionCount);
  const status = random.pick(statuses);
  return {
    version: '2.0',
    auditLevel: random.chance(0.8) ? 'WORKSPACE_LEVEL' : 'ACCOUNT_LEVEL',
    timestamp: 1_759_795_200_000 + index * 37 + random.below(30),
    orgId: 1_234_567_890_123_456,
    workspaceId: '1234567890123456',
    shardName: 'oregon',
    accountId: '11111111-2222-3333-4444-555555555555',
    sourceIPAddress: address(random),
    userAgent: `${random.pick(agents)}/${random.below(40)}.${random.below(10)}.${random.below(100)}`,
    sessionId: random.chance(0.7) ? `ephemeral-${id(random)}` : null,
    userIdentity: { email: principal(random), subjectName: null },
    serviceName: services[action % services.length],
    actionName: `action${action}`,
    requestId: `${id(random)}-${id(random)}`,
    requestParams: parameters(random, action),
    response: {
      statusCode: status,
      errorMessage: status < 400 ? null : `${words[status % 10]}: ${sentence(random, 4 + random.below(20))}`,
      result: random.chance(0.2) ? JSON.stringify({ [`${words[action % 10]}_id`]: id(random) }) : null,
    },
    ...(random.chance(0.2) ? { MAX_LOG_MESSAGE_LENGTH: 16_384 } : {}),
    ...(random.chance(0.3) ? { identityMetadata: { runBy: principal(random), runAs: principal(random) } } : {}),
    ...(random.chance(0.5) ? { eventId: `${id(random)}-${id(random)}` } : {}),
  };
}

/** With the text of a command, as verbose audit logs have it: SQL, or code with quotes and line breaks. */
function verboseRecord(random: Random, index: number) {
  const record = variedRecord(random, index);
  const sizeBytes = 2_000 + random.below(6_000);
  let commandText = '';
  while (commandText.length < sizeBytes) commandText += random.chance(0.5) ? query(random) : code(random);
  return {
    ...record,
    serviceName: 'notebook',
    actionName: 'runCommand',
    requestParams: { ...record.requestParams, commandText },
  };
}

/** As Azure writes records: identity, response and parameters are texts that contain JSON. */
function nestedRecord(random: Random, index: number) {
  const { userIdentity, response, requestParams, ...record } = variedRecord(random, index);
  return {
    ...record,
    userIdentity: JSON.stringify(userIdentity),
    response: JSON.stringify(response),
    requestParams: JSON.stringify(requestParams),
  };
}

const agents = ['Mozilla', 'Apache-HttpClient', 'databricks-sdk-py', 'Databricks-Runtime', 'Terraform', 'curl'];

function address(random: Random): string {
  const number = random.below(addressCount);
  if (number % 10 === 0) return `2001:db8::${(number % 0xffff).toString(16)}`;
  const plain = `203.${number % 250}.${Math.floor(number / 250)}.${number % 199}`;
  return number % 7 === 0 ? `${plain}:${1_024 + number}` : plain;
}

function principal(random: Random): string {
  const number = random.below(userCount);
  if (number % 20 === 0) return `0b1f2d3c-4a5b-4c6d-8e9f-${number.toString(16).padStart(12, '0')}`;
  return number % 50 === 1 ? 'System-User' : `${words[number % 10]}.user${number}@example.com`;
}

/** Each action has names of its own, some of them optional. */
function parameters(random: Random, action: number): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (let index = 0; index < 2 + (action % 7); index++) {
    if (index > 1 && random.chance(0.3)) continue;
    const name = `${words[(action + index) % 10]}_${words[(action * 3 + index) % 10]}_${index}`;
    const kind = (action + index) % 6;
    if (kind === 0) values[name] = random.below(1_000_000);
    else if (kind === 1) values[name] = random.chance(0.5);
    else if (kind === 2) values[name] = `${random.pick(words)}.${random.pick(words)}.${id(random)}`;
    else values[name] = id(random);
  }
  return values;
}

function sentence(random: Random, count: number): string {
  return random.list(count, () => random.pick(words)).join(' ');
}

function query(random: Random): string {
  return `SELECT ${random.pick(words)}, count(*) FROM ${random.pick(words)}.${random.pick(words)} WHERE id = '${id(random)}'\n`;
}

function code(random: Random): string {
  return `df = spark.read.option("${random.pick(words)}", "true").load("/mnt/${id(random)}")  # ${sentence(random, 5)}\n`;
}

function id(random: Random): string {
  return random.uint32().toString(16).padStart(8, '0');
}
