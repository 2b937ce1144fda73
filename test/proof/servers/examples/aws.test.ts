/**
 * examples/aws: the policy in the Terraform files is sufficient and minimal for the agent. moto enforces it.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from '@cdktn/hcl2json';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import type { Environment } from '../../../support/agent-process.ts';
import { auditLines, deliveryKey } from '../../../support/delivery-place.ts';
import { startOtlpReceiver } from '../../../support/otlp-receiver.ts';
import { startS3Server } from '../../../support/s3-server.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { runBuiltAgent } from '../built-agent.ts';
import { enforcePolicy, startMoto } from '../moto.ts';
import { exampleDirectory } from './compose.ts';

const statement = z.object({
  actions: z.array(z.string()),
  resources: z.array(z.string()).optional(),
  condition: z.array(z.object({ test: z.string(), variable: z.string(), values: z.array(z.string()) })).optional(),
});
const policyDocument = z.array(
  z.object({
    statement: z.array(statement).default([]),
    dynamic: z.object({ statement: z.array(z.object({ content: z.array(statement) })) }).optional(),
  }),
);

const bucket = 'audit';
const prefix = 'audit-logs/';
const table = 'databricks-audit-state';
const letterBucket = 'databricks-audit-letters';

describe('the Terraform files', () => {
  test.each(globSync('*.tf', { cwd: exampleDirectory('aws') }))('%s is valid HCL', async (file) => {
    expect(Object.keys(await parseTerraform(file)).length).toBeGreaterThan(0);
  });

  test('use only declared variables, and all of them', async () => {
    const files = globSync('*.tf', { cwd: exampleDirectory('aws') });
    const texts = files.map((file) => readFileSync(join(exampleDirectory('aws'), file), 'utf8')).join('\n');
    const used = new Set([...texts.matchAll(/\bvar\.(\w+)/g)].map(([, name]) => name));
    const { variable } = z
      .object({ variable: z.record(z.string(), z.unknown()) })
      .parse(await parseTerraform('variables.tf'));
    expect([...used].toSorted()).toEqual(Object.keys(variable).toSorted());
  });

  test('allow one sender to send to the queue: S3 for this bucket only, a topic, or a rule', async () => {
    const { data, resource, locals } = z
      .object({
        data: z.object({
          aws_iam_policy_document: z.object({ notify: z.array(z.object({ statement: z.unknown() })) }),
        }),
        resource: z.record(z.string(), z.unknown()),
        locals: z.array(z.object({ notification_sender: z.string(), notification_sender_arn: z.string() })),
      })
      .parse(await parseTerraform('notifications.tf'));
    const send = JSON.stringify(data.aws_iam_policy_document.notify[0]?.statement);
    expect(send).toContain('"actions":["sqs:SendMessage"]');
    for (const text of ['aws:SourceArn', 'aws:SourceAccount', 'local.notification_sender'])
      expect(send).toContain(text);
    expect(locals[0]?.notification_sender).toMatch(/"sns".*"events".*"s3"/);
    expect(JSON.stringify(resource.aws_s3_bucket_notification)).toContain('s3:ObjectCreated:*');
    expect(JSON.stringify(resource.aws_cloudwatch_event_rule)).toContain('Object Created');
    expect(Object.keys(resource)).toEqual(
      expect.arrayContaining(['aws_sns_topic_subscription', 'aws_cloudwatch_event_target']),
    );
  });
});

test('the policies for the queue and for dead letters contain what the agent needs', async () => {
  const actionsOf = async (file: string, name: string) => {
    const { data } = z
      .object({ data: z.object({ aws_iam_policy_document: z.record(z.string(), policyDocument) }) })
      .parse(await parseTerraform(file));
    return data.aws_iam_policy_document[name]?.flatMap(({ statement: each }) => each.flatMap(({ actions }) => actions));
  };
  expect(await actionsOf('notifications.tf', 'follow_notifications')).toEqual([
    'sqs:ReceiveMessage',
    'sqs:DeleteMessage',
    'sqs:ChangeMessageVisibility',
    'sqs:GetQueueAttributes',
  ]);
  expect(await actionsOf('dead-letters.tf', 'keep_dead_letters')).toEqual([
    's3:ListBucket',
    's3:PutObject',
    's3:GetObject',
    's3:DeleteObject',
  ]);
});

describe('with permissions enforced', () => {
  test('the agent works with exactly the policy of the example', async () => {
    const { environment, receiver } = await scene(await policyStatements());
    const check = await runBuiltAgent(['check'], environment);
    expect(check, check.stdout).toMatchObject({ code: 0 });
    expect(await runBuiltAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expect(receiver.accepted).toHaveLength(4);
  });

  // moto returns encrypted objects without requiring kms:Decrypt.
  test.each(['s3:ListBucket', 's3:GetObject'])('check names %s if it is missing', async (action) => {
    const statements = await policyStatements();
    const others = statements.filter(({ Action }) => !Action.includes(action));
    expect(others).toHaveLength(statements.length - 1);
    const { environment } = await scene(others);
    const check = await runBuiltAgent(['check'], environment);
    expect(check.code).toBe(1);
    expect(check.stdout).toContain(action);
  });
});

describe('the table of a shared state', () => {
  // moto evaluates the actions of DynamoDB, but not for which table they are.
  const statements = async () =>
    (await policyStatements('state.tf', 'share_state'))
      .filter(({ Action }) => Action.includes('dynamodb:GetItem'))
      .map((statement) => ({ ...statement, Resource: ['*'] }));
  /** Of the deliveries and of the dead letters. */
  const bucketStatements = async () => [
    ...(await policyStatements()),
    ...(await policyStatements('dead-letters.tf', 'keep_dead_letters')),
  ];

  test('is created as `state init` creates it', async () => {
    const { resource } = z
      .object({
        resource: z.object({ aws_dynamodb_table: z.object({ state: z.array(z.record(z.string(), z.unknown())) }) }),
      })
      .parse(await parseTerraform('state.tf'));
    expect(resource.aws_dynamodb_table.state).toMatchObject([
      {
        name: table,
        billing_mode: 'PAY_PER_REQUEST',
        hash_key: 'k',
        range_key: 's',
        deletion_protection_enabled: true,
        attribute: [
          { name: 'k', type: 'S' },
          { name: 's', type: 'S' },
        ],
        ttl: [{ attribute_name: 'x', enabled: true }],
        point_in_time_recovery: [{ enabled: true }],
      },
    ]);
  });

  test('the agent shares a state with exactly the policy of the example', async () => {
    const { environment, receiver } = await scene([...(await bucketStatements()), ...(await statements())], true);
    const check = await runBuiltAgent(['check'], environment);
    expect(check, check.stdout).toMatchObject({ code: 0 });
    expect(check.stdout).not.toContain('access denied');
    expect(await runBuiltAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expect(await runBuiltAgent(['status'], environment)).toMatchObject({ code: 0 });
    expect(receiver.accepted).toHaveLength(4);
  });

  test.each(['GetItem', 'BatchGetItem', 'Query', 'PutItem', 'DeleteItem', 'Scan'])(
    'check names dynamodb:%s if it is missing',
    async (operation) => {
      const action = `dynamodb:${operation}`;
      const without = (await statements()).map((statement) => ({
        ...statement,
        Action: statement.Action.filter((each) => each !== action),
      }));
      const { environment } = await scene([...(await bucketStatements()), ...without], true);
      const check = await runBuiltAgent(['check'], environment);
      expect(check.stdout).toContain(`access denied (${action})`);
      expect(check.code).toBe(operation === 'Scan' ? 0 : 1);
    },
  );
});

test('every listing stays below the prefix, which is a condition in the policy', async () => {
  const server = await startS3Server();
  onTestFinished(() => server.stop());
  await server.createBucket(bucket);
  await server.put(bucket, `${prefix}${deliveryKey()}`, `${auditLines(4).join('\n')}\n`);
  const environment = {
    ...server.environment,
    DATABRICKS_AUDIT_SOURCE: `s3://${bucket}/${prefix}`,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    OTEL_LOGS_EXPORTER: 'console',
  };
  expect(await runBuiltAgent(['ship'], environment)).toMatchObject({ code: 0 });
  const listed = server.requests
    .filter(({ operation }) => operation === 'ListObjectsV2')
    .map((request) => request.prefix);
  expect(listed.length).toBeGreaterThan(0);
  expect(listed.filter((each) => !each.startsWith(prefix))).toEqual([]);
});

test('the policy contains these actions, and no others', async () => {
  const actions = (await policyStatements()).flatMap(({ Action }) => Action);
  expect(actions).toEqual(['s3:ListBucket', 's3:GetObject', 'kms:Decrypt']);
});

/** The IAM policy JSON that `terraform apply` would create from the policy document. */
async function policyStatements(file = 'main.tf', name = 'read_deliveries') {
  const { data } = z
    .object({ data: z.object({ aws_iam_policy_document: z.record(z.string(), policyDocument) }) })
    .parse(await parseTerraform(file));
  const [document] = data.aws_iam_policy_document[name] ?? [];
  const dynamic = document?.dynamic?.statement.flatMap(({ content }) => content) ?? [];
  return [...(document?.statement ?? []), ...dynamic].map(({ actions, resources, condition }) => ({
    Effect: 'Allow',
    Action: actions,
    Resource: resources?.map(interpolate),
    ...(condition === undefined
      ? {}
      : {
          Condition: Object.fromEntries(
            condition.map((each) => [each.test, { [each.variable]: each.values.map(interpolate) }]),
          ),
        }),
  }));
}

function interpolate(text: string): string {
  const values: Record<string, string> = {
    'local.bucket_arn': `arn:aws:s3:::${bucket}`,
    'var.prefix': prefix,
    'aws_s3_bucket.dead_letters[0].arn': `arn:aws:s3:::${letterBucket}`,
    'aws_dynamodb_table.state[0].arn': `arn:aws:dynamodb:us-east-1:123456789012:table/${table}`,
    'statement.value': 'arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000',
  };
  return text.replaceAll(/\$\{([^}]+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${name} is not known`);
    return value;
  });
}

async function parseTerraform(file: string): Promise<object> {
  return parse(file, readFileSync(join(exampleDirectory('aws'), file), 'utf8'));
}

async function scene(statements: readonly object[], isShared = false) {
  const server = await startMoto();
  const shared = {
    AWS_ENDPOINT_URL_DYNAMODB: server.url,
    DATABRICKS_AUDIT_STATE: `dynamodb://${table}`,
    DATABRICKS_AUDIT_DEAD_LETTERS: `s3://${letterBucket}/audit`,
  };
  if (isShared) {
    await server.createBucket(letterBucket);
    const created = await runBuiltAgent(['state', 'init'], { ...server.environment, ...shared });
    expect(created.code, created.stderr).toBe(0);
  }
  await server.createBucket(bucket);
  await server.put(bucket, `${prefix}${deliveryKey()}`, `${auditLines(4).join('\n')}\n`);
  const identity = await enforcePolicy(server, statements);
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const environment: Environment = {
    ...server.environment,
    ...identity,
    DATABRICKS_AUDIT_SOURCE: `s3://${bucket}/${prefix}`,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    ...(isShared ? shared : {}),
  };
  return { environment, receiver };
}
