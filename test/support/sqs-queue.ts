/**
 * A queue of fauxqs. It does not notice when a long poll is aborted, so what is given back at a stop may go to that poll.
 */

import { CreateQueueCommand, GetQueueAttributesCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';
import { onTestFinished } from 'vitest';
import type { S3Server } from './s3-server.ts';

export interface SqsQueueOptions {
  /**
   * The longest time that a received message is hidden, whatever its receiver asks for. So what a dead or stopped process holds comes back
   * within a test, and so does what takes longer: SQS may offer a hidden message again, too.
   */
  readonly hiddenMaxS?: number;
  /** Called with the bodies of messages that are about to be deleted, whether or not their receipts are still valid. */
  readonly onDelete?: (bodies: readonly string[]) => void;
}

export interface SqsQueue {
  readonly url: string;
  /** Variables that make the agent follow it. */
  readonly environment: Readonly<Record<string, string>>;
  send(body: string): Promise<void>;
  /** Messages that are there, those that somebody has received included. */
  count(): Promise<number>;
  /** Messages that nobody has received, or that were given back. */
  visibleCount(): Promise<number>;
}

let queueCount = 0;

export async function startQueue(
  { environment }: Pick<S3Server, 'environment'>,
  options: SqsQueueOptions = {},
): Promise<SqsQueue> {
  const server = buildApp({ logger: false });
  interceptCalls(server, options);
  const endpoint = await server.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    server.server.closeAllConnections();
    await server.close();
  });
  const client = new SQSClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
    useQueueUrlAsEndpoint: false,
  });
  onTestFinished(() => client.destroy());
  const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: `deliveries-${++queueCount}` }));
  const attribute = async (
    ...names: readonly ('ApproximateNumberOfMessages' | 'ApproximateNumberOfMessagesNotVisible')[]
  ) => {
    const { Attributes = {} } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...names] }),
    );
    return names.reduce((sum, name) => sum + Number(Attributes[name] ?? 0), 0);
  };
  return {
    url: QueueUrl,
    environment: { ...environment, AWS_ENDPOINT_URL_SQS: endpoint, DATABRICKS_AUDIT_QUEUE: QueueUrl },
    async send(MessageBody) {
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    },
    count: () => attribute('ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'),
    visibleCount: () => attribute('ApproximateNumberOfMessages'),
  };
}

/** The members of calls and answers that matter here. */
interface SqsCall {
  VisibilityTimeout?: number;
  readonly Entries?: readonly { readonly ReceiptHandle: string; VisibilityTimeout?: number }[];
}

interface SqsAnswer {
  readonly Messages?: readonly { readonly ReceiptHandle: string; readonly Body: string }[];
}

function interceptCalls(server: ReturnType<typeof buildApp>, { hiddenMaxS, onDelete }: SqsQueueOptions): void {
  const bodies = new Map<string, string>();
  const hideLess = (call: { VisibilityTimeout?: number }) => {
    if (hiddenMaxS === undefined || call.VisibilityTimeout === undefined) return;
    call.VisibilityTimeout = Math.min(call.VisibilityTimeout, hiddenMaxS);
  };
  server.addHook('preHandler', async ({ headers, body }) => {
    const call = (body ?? {}) as SqsCall;
    const { Entries: entries = [] } = call;
    for (const each of [call, ...entries]) hideLess(each);
    if (!String(headers['x-amz-target']).startsWith('AmazonSQS.DeleteMessage')) return;
    onDelete?.(entries.flatMap(({ ReceiptHandle }) => bodies.get(ReceiptHandle) ?? []));
  });
  server.addHook('onSend', async ({ headers }, _, payload) => {
    if (headers['x-amz-target'] === 'AmazonSQS.ReceiveMessage' && typeof payload === 'string') {
      const { Messages: messages = [] } = JSON.parse(payload) as SqsAnswer;
      for (const { ReceiptHandle, Body } of messages) bodies.set(ReceiptHandle, Body);
    }
    return payload;
  });
}
