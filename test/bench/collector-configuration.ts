/**
 * The OpenTelemetry Collector doing the agent's work at its fastest: the same lines, the same attributes, the same receiver.
 * Operators of the receiver are cheaper than the transform processor, and the exporter's own queue makes cheaper batches than the
 * batch processor. What it would have to compute is left out, to its advantage: the uid, outcome, severity, error type, the kind
 * of principal, whether a principal is an email address, and the port behind an address.
 */
import type { DeliveryName } from './deliveries.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

export interface CollectorJob {
  readonly source: string;
  readonly delivery: DeliveryName;
  readonly receiverUrl: string;
  readonly compression: Compression;
  /** Where queue and offsets are kept; undefined for in memory. */
  readonly storage: string | undefined;
}

export function collectorConfiguration({ source, delivery, receiverUrl, compression, storage }: CollectorJob): object {
  const durable = storage === undefined ? {} : { storage: 'file_storage' };
  return {
    receivers: {
      file_log: {
        ...durable,
        include: [`${source}/**/*.json`],
        start_at: 'beginning',
        include_file_name: true,
        poll_interval: '200ms',
        max_concurrent_files: 64, // With the default of 1024 it takes a gigabyte and a half, and is no faster.
        operators: operatorsFor(delivery),
      },
    },
    exporters: {
      otlp_http: {
        endpoint: receiverUrl,
        compression,
        ...(compression === 'none' ? {} : { compression_params: { level: 1 } }),
        sending_queue: {
          ...durable,
          enabled: true,
          num_consumers: 2,
          queue_size: 8192,
          sizer: 'items',
          block_on_overflow: true,
          batch: { flush_timeout: '200ms', min_size: 2048, max_size: 2048 },
        },
      },
    },
    ...(storage === undefined ? {} : { extensions: { file_storage: { directory: storage } } }),
    service: {
      telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } },
      extensions: storage === undefined ? [] : ['file_storage'],
      pipelines: { logs: { receivers: ['file_log'], processors: [], exporters: ['otlp_http'] } },
    },
  };
}

/** Each field of a record by the name that the agent gives it. A record without the field has no such attribute. */
const attributes = {
  serviceName: 'databricks.audit.service.name',
  actionName: 'databricks.audit.action.name',
  auditLevel: 'databricks.audit.level',
  version: 'databricks.audit.version',
  shardName: 'databricks.shard.name',
  requestId: 'databricks.request_id',
  sourceIPAddress: 'client.address',
  userAgent: 'user_agent.original',
  requestParams: 'databricks.request.params',
  'userIdentity.email': 'user.email',
};
/** Of some records only. */
const optionalAttributes = {
  sessionId: 'session.id',
  MAX_LOG_MESSAGE_LENGTH: 'databricks.audit.max_log_message_length',
  'identityMetadata.runBy': 'databricks.identity.run_by',
  'identityMetadata.runAs': 'databricks.identity.run_as',
  'response.statusCode': 'http.response.status_code',
  'response.errorMessage': 'databricks.error.message',
  'response.result': 'databricks.response.result',
};

/** In the delivery `nested`, strings that contain JSON. */
const nestedFields = ['userIdentity', 'response', 'requestParams'];

function operatorsFor(delivery: DeliveryName): readonly object[] {
  const nested = delivery === 'nested' ? nestedFields : [];
  // A uniform delivery has no optional fields besides those of the response.
  const optional = Object.entries(optionalAttributes).filter(
    ([field]) => delivery !== 'uniform' || field.startsWith('response.'),
  );
  const always = Object.entries(delivery === 'uniform' ? { ...attributes, sessionId: 'session.id' } : attributes);
  return [
    {
      type: 'json_parser',
      parse_from: 'body',
      parse_to: 'attributes.j',
      parse_ints: true,
      timestamp: { parse_from: 'attributes.j.timestamp', layout_type: 'epoch', layout: 'ms' },
    },
    ...nested.map((field) => ({
      type: 'json_parser',
      parse_from: `attributes.j.${field}`,
      parse_to: `attributes.j.${field}`,
      parse_ints: true,
    })),
    { type: 'copy', from: 'attributes.j.userIdentity.email', to: 'attributes["databricks.principal.name"]' },
    ...always.map(([field, name]) => move(field, `attributes["${name}"]`)),
    ...optional.map(([field, name]) => ({
      ...move(field, `attributes["${name}"]`),
      if: `attributes.j.${field.replace('.', '?.')} != nil`,
    })),
    move('accountId', 'resource["databricks.account.id"]'),
    { type: 'copy', from: 'attributes.j.workspaceId', to: 'resource["service.instance.id"]' },
    move('workspaceId', 'resource["databricks.workspace.id"]'),
    { type: 'add', field: 'resource["service.name"]', value: 'databricks' },
    { type: 'remove', field: 'attributes.j' },
  ];
}

function move(field: string, to: string): object {
  return { type: 'move', from: `attributes.j.${field}`, to };
}
