/**
 * The SQS calls that the agent makes. The SDK is loaded on the first call, so an agent without a queue does not need it.
 */
import type { SQSClient, SQSClientConfig } from '@aws-sdk/client-sqs';
import { createRequestHandler } from '../../../runtime/aws/request-handler.ts';
import { describeSqsError, type SqsAction } from './errors.ts';
import type { QueueLocation } from './location.ts';

export interface SqsMessage {
  readonly body: string;
  /** Identifies this receipt of the message; the next one has another. */
  readonly receiptHandle: string;
  /** How often the message was received, this time included. */
  readonly receiveCount: number;
}

export interface SqsReceiveRequest {
  /** 1 to 10. */
  readonly countMax: number;
  /** How long to wait for a message. */
  readonly waitS: number;
  /** How long others do not see what is received. */
  readonly visibilityTimeoutS: number;
}

/** Every call rejects with an AgentError, or with the signal's reason if it aborts. */
export interface SqsApi {
  receive(request: SqsReceiveRequest, signal: AbortSignal): Promise<readonly SqsMessage[]>;
  /** @param receiptHandles at most 10. */
  delete(receiptHandles: readonly string[], signal: AbortSignal): Promise<void>;
  /**
   * Others do not see the messages for this long, from now on.
   * @param receiptHandles at most 10.
   */
  hide(receiptHandles: readonly string[], visibilityTimeoutS: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** The limit of SQS for one batch and for one receive. */
export const batchMax = 10;

/** Longer than the longest poll of SQS, which is 20 seconds. */
const answerTimeoutMs = 40_000;
const connectionTimeoutMs = 10_000;

export function createSqsClient(queue: QueueLocation, overrides: SQSClientConfig = {}): SqsApi {
  let sdk: Promise<Sdk> | undefined;
  const call = async <Result>(
    action: SqsAction,
    signal: AbortSignal,
    work: (sdk: Sdk, options: { readonly abortSignal: AbortSignal }) => Promise<Result>,
  ): Promise<Result> => {
    signal.throwIfAborted();
    sdk ??= loadSdk(queue, overrides).catch((error: unknown) => {
      sdk = undefined; // The next call tries again: the AWS configuration files may be readable by then.
      throw error;
    });
    try {
      return await work(await sdk, { abortSignal: signal });
    } catch (error) {
      signal.throwIfAborted();
      throw describeSqsError(error, { action, queue });
    }
  };
  const QueueUrl = queue.url;
  return {
    receive: ({ countMax, waitS, visibilityTimeoutS }, signal) =>
      call('sqs:ReceiveMessage', signal, async ({ client, ReceiveMessageCommand }, options) => {
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: countMax,
            WaitTimeSeconds: waitS,
            VisibilityTimeout: visibilityTimeoutS,
            MessageSystemAttributeNames: ['ApproximateReceiveCount'],
          }),
          options,
        );
        return Messages.map(({ Body = '', ReceiptHandle = '', Attributes = {} }) => ({
          body: Body,
          receiptHandle: ReceiptHandle,
          receiveCount: Number(Attributes.ApproximateReceiveCount ?? 1) || 1,
        }));
      }),
    delete: (receiptHandles, signal) =>
      call('sqs:DeleteMessage', signal, async ({ client, DeleteMessageBatchCommand }, options) => {
        const Entries = receiptHandles.map((ReceiptHandle, index) => ({ Id: `${index}`, ReceiptHandle }));
        throwFailed(await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }), options));
      }),
    hide: (receiptHandles, VisibilityTimeout, signal) =>
      call('sqs:ChangeMessageVisibility', signal, async ({ client, ChangeMessageVisibilityBatchCommand }, options) => {
        const Entries = receiptHandles.map((ReceiptHandle, index) => {
          return { Id: `${index}`, ReceiptHandle, VisibilityTimeout };
        });
        throwFailed(await client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }), options));
      }),
    async close() {
      const loaded = await sdk?.catch(() => undefined);
      loaded?.client.destroy();
    },
  };
}

interface BatchAnswer {
  readonly Failed?:
    | readonly { readonly Code?: string | undefined; readonly Message?: string | undefined }[]
    | undefined;
}

/** A batch succeeds even if each of its entries has failed. */
function throwFailed({ Failed: [failed] = [] }: BatchAnswer): void {
  if (failed === undefined) return;
  throw Object.assign(new Error(failed.Message ?? 'no message'), { name: failed.Code ?? 'BatchEntryFailed' });
}

type Sdk = Pick<
  typeof import('@aws-sdk/client-sqs'),
  | 'ReceiveMessageCommand'
  | 'DeleteMessageBatchCommand'
  | 'ChangeMessageVisibilityBatchCommand'
  | 'DeleteMessageCommand'
  | 'ChangeMessageVisibilityCommand'
  | 'GetQueueAttributesCommand'
> & { readonly client: SQSClient };

/** Also for calls that only `check` makes. */
export async function loadSdk({ url, region }: QueueLocation, overrides: SQSClientConfig = {}): Promise<Sdk> {
  const {
    SQSClient,
    ReceiveMessageCommand,
    DeleteMessageBatchCommand,
    ChangeMessageVisibilityBatchCommand,
    DeleteMessageCommand,
    ChangeMessageVisibilityCommand,
    GetQueueAttributesCommand,
  } = await import('@aws-sdk/client-sqs');
  const create = (endpoint: string | undefined) =>
    new SQSClient({
      // The queue may be in another region than AWS_REGION says.
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      // Otherwise the URL would take precedence over AWS_ENDPOINT_URL_SQS.
      useQueueUrlAsEndpoint: false,
      requestHandler: createRequestHandler({ keepAlive: true }, (agentOptions) => {
        const requestHandler = {
          connectionTimeout: connectionTimeoutMs,
          requestTimeout: answerTimeoutMs,
          throwOnRequestTimeout: true,
          httpAgent: agentOptions,
          httpsAgent: agentOptions,
        };
        return new SQSClient({ requestHandler }).config.requestHandler;
      }),
      ...overrides,
    });
  const configured = create(undefined);
  // Set by AWS_ENDPOINT_URL(_SQS) or a profile. If none is, the host of the URL may be that of a VPC endpoint or of another server.
  const customEndpoint = await configured.config.serviceConfiguredEndpoint?.();
  const client = customEndpoint === undefined ? create(new URL(url).origin) : configured;
  return {
    client,
    ReceiveMessageCommand,
    DeleteMessageBatchCommand,
    ChangeMessageVisibilityBatchCommand,
    DeleteMessageCommand,
    ChangeMessageVisibilityCommand,
    GetQueueAttributesCommand,
  };
}
