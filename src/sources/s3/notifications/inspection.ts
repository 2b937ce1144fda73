/**
 * Tries everything that following a queue requires, for `check`, without taking a message away from anybody.
 */
import { isAgentError, messageOf } from '../../../model/agent-error.ts';
import { printable } from '../../../runtime/printable.ts';
import { describeSqsError, isUnknownHandle, type SqsAction } from './errors.ts';
import type { QueueLocation } from './location.ts';
import { loadSdk } from './sqs-client.ts';

export interface QueueFinding {
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly message: string;
  readonly hint?: string | undefined;
}

/** A queue that gives messages up sooner than this could lose them to its dead-letter queue during an outage. */
const receiveCountMin = 100;

/** Rejects only with the signal's reason. */
export async function inspectQueue(queue: QueueLocation, signal: AbortSignal): Promise<readonly QueueFinding[]> {
  const name = printable(queue.url);
  const QueueUrl = queue.url;
  const findings: QueueFinding[] = [];
  const sdk = await loadSdk(queue, { maxAttempts: 1 });
  const options = { abortSignal: signal };
  // Never a handle of SQS: a call that is allowed answers that it is unknown.
  const ReceiptHandle = 'databricks-audit-otel-check';
  const attempt = async (action: SqsAction, call: () => Promise<unknown>): Promise<boolean> => {
    try {
      await call();
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (isUnknownHandle(error)) return true;
      findings.push(failed(describeSqsError(error, { action, queue })));
      return false;
    }
  };
  try {
    // With a visibility timeout of 0, whoever follows the queue receives the message all the same.
    const received = await attempt('sqs:ReceiveMessage', () =>
      sdk.client.send(
        new sdk.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 1, WaitTimeSeconds: 0, VisibilityTimeout: 0 }),
        options,
      ),
    );
    if (!received) return findings;
    await attempt('sqs:DeleteMessage', () =>
      sdk.client.send(new sdk.DeleteMessageCommand({ QueueUrl, ReceiptHandle }), options),
    );
    await attempt('sqs:ChangeMessageVisibility', () =>
      sdk.client.send(
        new sdk.ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }),
        options,
      ),
    );
    if (findings.length === 0) findings.push({ status: 'ok', message: `${name} can be followed` });
    findings.push(...(await inspectAttributes()));
    return findings;
  } finally {
    sdk.client.destroy();
  }

  async function inspectAttributes(): Promise<QueueFinding[]> {
    try {
      const { Attributes = {} } = await sdk.client.send(
        new sdk.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
        options,
      );
      return findingsOf(name, Attributes);
    } catch (error) {
      signal.throwIfAborted();
      const { hint } = describeSqsError(error, { action: 'sqs:GetQueueAttributes', queue });
      const message = `encryption and redrive policy of ${name}: not checked (requires sqs:GetQueueAttributes)`;
      return [{ status: 'skipped', message, hint }];
    }
  }
}

function findingsOf(name: string, attributes: Readonly<Record<string, string | undefined>>): QueueFinding[] {
  const { KmsMasterKeyId: key = '', RedrivePolicy = '' } = attributes;
  const findings: QueueFinding[] = [];
  if (/(^|:)alias\/aws\/sqs$/.test(key)) {
    findings.push({
      status: 'failed',
      message: `${name} is encrypted with alias/aws/sqs, which S3 and SNS cannot use to send notifications`,
      hint: 'Encrypt the queue with SSE-SQS, or with a key of your own whose policy allows s3.amazonaws.com kms:GenerateDataKey and kms:Decrypt.',
    });
  }
  const receiveCountMax = Number(
    /"maxReceiveCount"\s*:\s*"?(\d+)/.exec(RedrivePolicy)?.[1] ?? Number.POSITIVE_INFINITY,
  );
  if (receiveCountMax < receiveCountMin) {
    findings.push({
      status: 'warning',
      message: `${name} moves a message to a dead-letter queue after ${receiveCountMax} receives, which an outage can reach`,
      hint: 'Remove the redrive policy, or set maxReceiveCount to 1000. Listings find what is moved away.',
    });
  }
  return findings;
}

function failed(error: unknown): QueueFinding {
  return { status: 'failed', message: messageOf(error), hint: isAgentError(error) ? error.hint : undefined };
}
