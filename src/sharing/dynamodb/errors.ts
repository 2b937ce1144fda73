/**
 * Describes errors of DynamoDB for the operator. Error names:
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
 */
import { AgentError, type ErrorCode } from '../../model/agent-error.ts';
import {
  type AwsExplanation,
  type AwsFailure,
  explainCredentials,
  explainHome,
  explainUnreachable,
  isThrottled,
  readAwsFailure,
  withoutSecrets,
} from '../../runtime/aws/failure.ts';

/** The call that failed. */
export interface DynamoDbCall {
  /** The IAM action that it requires, such as `dynamodb:PutItem`. */
  readonly action: `dynamodb:${string}`;
  readonly table: string;
}

/** The message, hint and cause never contain an access key id, a token or a signature. */
export function describeDynamoDbError(error: unknown, call: DynamoDbCall): AgentError {
  if (error instanceof AgentError) return error;
  const failure = readAwsFailure(error);
  const [code, { reason, hint }] = describe(failure, call);
  return new AgentError(code, `Could not use the state dynamodb://${call.table} (${call.action}): ${reason}`, {
    // The SDK's error has the request, the response and sometimes key ids as fields, so it must not reach a logger.
    cause: new Error(withoutSecrets(`${failure.name}: ${failure.message}`)),
    hint,
  });
}

/** Rejections that mean throttling, whatever the request. */
export function throttled(call: DynamoDbCall, name: string): AgentError {
  return describeDynamoDbError(Object.assign(new Error('throttled'), { name }), call);
}

function describe(failure: AwsFailure, call: DynamoDbCall): readonly [ErrorCode, AwsExplanation] {
  const missing = explainMissing(failure, call);
  if (missing !== undefined) return ['ERR_STATE_NOT_FOUND', missing];
  const otherTable = explainOtherTable(failure);
  if (otherTable !== undefined) return ['ERR_STATE_FORMAT', otherTable];
  const { name, status } = failure;
  const explanation = explainRegion(failure) ??
    explainHome(failure) ??
    explainClock(failure) ??
    explainCredentials(failure) ??
    explainThrottling(failure) ??
    explainDenied(failure, call) ??
    explainUnreachable(failure, 'AWS_REGION, and AWS_ENDPOINT_URL_DYNAMODB if it is set') ?? {
      reason: status === undefined ? `the request failed (${name})` : `DynamoDB answered ${name} (HTTP ${status})`,
      hint: 'A running agent tries again. If this persists, see the cause.',
    };
  return ['ERR_STATE_UNAVAILABLE', explanation];
}

function explainMissing({ name }: AwsFailure, { table }: DynamoDbCall): AwsExplanation | undefined {
  if (name !== 'ResourceNotFoundException') return undefined;
  return {
    reason: `there is no table ${table} in this account and region`,
    hint: 'Create it with `databricks-audit-otel state init` or with Terraform (examples/aws), or check AWS_REGION and the name of the table.',
  };
}

/** The key of a request does not fit the table: it has other keys than `k` and `s`. */
function explainOtherTable({ name, message }: AwsFailure): AwsExplanation | undefined {
  const isOther =
    name === 'ValidationException' &&
    /(does not match the schema|key condition|key schema|missing the key)/i.test(message);
  if (!isOther) return undefined;
  return {
    reason: 'the table has other keys than those of a delivery state',
    hint: 'Name a table in DATABRICKS_AUDIT_STATE that was made by `databricks-audit-otel state init` or by Terraform (examples/aws).',
  };
}

const throttlingNames = /^(ProvisionedThroughputExceeded|LimitExceeded|UnprocessedKeys)/;

function explainThrottling(failure: AwsFailure): AwsExplanation | undefined {
  if (!throttlingNames.test(failure.name) && !isThrottled(failure)) return undefined;
  return {
    reason: `DynamoDB is throttling requests (${failure.name})`,
    hint: 'A running agent tries again. If this persists, switch the table to on-demand capacity.',
  };
}

function explainRegion({ message }: AwsFailure): AwsExplanation | undefined {
  if (!message.includes('Region is missing')) return undefined;
  return { reason: 'no AWS region is set', hint: "Set AWS_REGION to the table's region." };
}

/** S3 has an error code of its own for this. */
function explainClock({ message }: AwsFailure): AwsExplanation | undefined {
  if (!/^Signature (not yet current|expired)/.test(message)) return undefined;
  const hint = 'Synchronise the clock of this machine (NTP).';
  return { reason: 'the clock of this machine is more than 15 minutes off', hint };
}

function explainDenied(
  { name, message, status }: AwsFailure,
  { action, table }: DynamoDbCall,
): AwsExplanation | undefined {
  if (!name.startsWith('AccessDenied') && status !== 403) return undefined;
  if (/kms/i.test(message)) {
    const hint =
      "Allow kms:Decrypt and kms:GenerateDataKey on the table's key, in the policies of the role and of the key.";
    return { reason: 'access denied to the encryption key', hint };
  }
  const hint = `Allow ${action} on arn:aws:dynamodb:*:*:table/${table} in the policy of the role.`;
  return { reason: `access denied (${action})`, hint };
}
