/**
 * A queue of fauxqs. It does not notice when a long poll is aborted, so what is given back at a stop may go to that poll.
 */

import { CreateQueueCommand, GetQueueAttributesCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';
import { onTestFinished } from 'vitest';
import type { S3Server } from './s3-server.ts';

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

export async function startQueue({ environment }: Pick<S3Server, 'environment'>): Promise<SqsQueue> {
  const server = buildApp({ logger: false });
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
