/**
 * Describes errors of SQS for the operator. Error codes:
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
 */
import { AgentError } from '../../../model/agent-error.ts';
import {
  type AwsExplanation,
  type AwsFailure,
  explainCredentials,
  explainHome,
  explainUnreachable,
  isThrottled,
  readAwsFailure,
  withoutSecrets,
} from '../../../runtime/aws/failure.ts';
import { printable } from '../../../runtime/printable.ts';
import type { QueueLocation } from './location.ts';

/** The IAM actions of the calls. */
export type SqsAction =
  | 'sqs:ReceiveMessage'
  | 'sqs:DeleteMessage'
  | 'sqs:ChangeMessageVisibility'
  | 'sqs:GetQueueAttributes';

export interface SqsCall {
  readonly action: SqsAction;
  readonly queue: QueueLocation;
}

const verbs: Readonly<Record<SqsAction, string>> = {
  'sqs:ReceiveMessage': 'receive messages from',
  'sqs:DeleteMessage': 'delete a message from',
  'sqs:ChangeMessageVisibility': 'change the visibility of a message in',
  'sqs:GetQueueAttributes': 'read the attributes of',
};

/** The message, hint and cause never contain an access key id, a token or a signature. */
export function describeSqsError(error: unknown, { action, queue }: SqsCall): AgentError {
  if (error instanceof AgentError) return error;
  const failure = readAwsFailure(error);
  const { reason, hint } = explain(failure, action, queue);
  return new AgentError('ERR_QUEUE_READ', `Could not ${verbs[action]} ${printable(queue.url)}: ${reason}`, {
    // The SDK's error has the request, the response and sometimes key ids as fields, so it must not reach a logger.
    cause: new Error(withoutSecrets(`${failure.name}: ${failure.message}`)),
    hint,
  });
}

/** True for the answer to a receipt handle that never existed: the call itself was allowed. */
export function isUnknownHandle(error: unknown): boolean {
  const { name } = readAwsFailure(error);
  return /ReceiptHandleIsInvalid|InvalidParameterValue|MessageNotInflight/.test(name);
}

function explain(failure: AwsFailure, action: SqsAction, queue: QueueLocation): AwsExplanation {
  return (
    explainRegion(failure) ??
    explainHome(failure) ??
    explainCredentials(failure) ??
    explainMissing(failure) ??
    explainKey(failure) ??
    explainDenied(failure, action, queue) ??
    explainThrottling(failure) ??
    explainUnreachable(failure, 'the URL in DATABRICKS_AUDIT_QUEUE, and AWS_ENDPOINT_URL_SQS if it is set') ?? {
      reason:
        failure.status === undefined ? 'the request failed' : `SQS answered ${failure.name} (HTTP ${failure.status})`,
      hint: 'A running agent tries again, and listings find what notifications miss. If this persists, see the cause.',
    }
  );
}

function explainRegion({ message }: AwsFailure): AwsExplanation | undefined {
  if (!message.includes('Region is missing')) return undefined;
  return {
    reason: 'no AWS region is set',
    hint: 'Set AWS_REGION; for other servers than those of AWS any will do, such as us-east-1.',
  };
}

function explainMissing({ name }: AwsFailure): AwsExplanation | undefined {
  if (!/NonExistentQueue|QueueDoesNotExist|InvalidAddress/.test(name)) return undefined;
  return {
    reason: 'there is no such queue',
    hint: 'Check DATABRICKS_AUDIT_QUEUE: region, account and name of the queue.',
  };
}

function explainKey({ name, message }: AwsFailure): AwsExplanation | undefined {
  if (!/kms/i.test(`${name} ${message}`)) return undefined;
  if (/AccessDenied/.test(name)) {
    return {
      reason: 'access denied to the encryption key of the queue (kms:Decrypt)',
      hint: "Allow kms:Decrypt on the queue's key, in the policies of the role and of the key; or encrypt the queue with SSE-SQS.",
    };
  }
  return {
    reason: `the encryption key of the queue cannot be used (${name})`,
    hint: 'Enable the key, or encrypt the queue with SSE-SQS.',
  };
}

function explainDenied(
  { name, status }: AwsFailure,
  action: SqsAction,
  queue: QueueLocation,
): AwsExplanation | undefined {
  if (status !== 403 && !/AccessDenied/.test(name)) return undefined;
  return {
    reason: `access denied (${action})`,
    hint: `Allow ${action} on ${arnOf(queue)} in the policy of the role; for a queue of another account also in the policy of the queue.`,
  };
}

function explainThrottling(failure: AwsFailure): AwsExplanation | undefined {
  if (!isThrottled(failure)) return undefined;
  return { reason: `SQS is throttling requests (${failure.name})`, hint: 'A running agent tries again.' };
}

function arnOf({ url, region = '*' }: QueueLocation): string {
  const [, account = '*', name = '*'] = new URL(url).pathname.split('/');
  return `arn:aws:sqs:${region}:${account}:${name}`;
}
