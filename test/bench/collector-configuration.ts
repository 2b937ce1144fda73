/**
 * The OpenTelemetry Collector doing the agent's work at its fastest: the same lines, the same attributes, the same receiver.
 * Operators of the receiver are cheaper than the transform processor, and the exporter's own queue makes cheaper batches than the
 * batch processor. What it would have to compute is left out, to its advantage: the uid, outcome, severity, error type and the
 * kind of principal.
 */
export interface CollectorJob {
  readonly source: string;
  readonly receiverUrl: string;
  readonly compression: 'none' | 'gzip' | 'zstd';
  /** Where queue and offsets are kept; undefined for in memory. */
  readonly storage: string | undefined;
}

export function collectorConfiguration({ source, receiverUrl, compression, storage }: CollectorJob): object {
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
        operators,
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
  sessionId: 'session.id',
  sourceIPAddress: 'client.address',
  userAgent: 'user_agent.original',
  requestParams: 'databricks.request.params',
  'userIdentity.email': 'user.email',
};
/** Of some records only. */
const optionalAttributes = {
  'response.statusCode': 'http.response.status_code',
  'response.errorMessage': 'databricks.error.message',
  'response.result': 'databricks.response.result',
};

const operators = [
  {
    type: 'json_parser',
    parse_from: 'body',
    parse_to: 'attributes.j',
    parse_ints: true,
    timestamp: { parse_from: 'attributes.j.timestamp', layout_type: 'epoch', layout: 'ms' },
  },
  { type: 'copy', from: 'attributes.j.userIdentity.email', to: 'attributes["databricks.principal.name"]' },
  ...Object.entries(attributes).map(([field, name]) => move(field, `attributes["${name}"]`)),
  ...Object.entries(optionalAttributes).map(([field, name]) => ({
    ...move(field, `attributes["${name}"]`),
    if: `attributes.j.${field.replace('.', '?.')} != nil`,
  })),
  move('accountId', 'resource["databricks.account.id"]'),
  { type: 'copy', from: 'attributes.j.workspaceId', to: 'resource["service.instance.id"]' },
  move('workspaceId', 'resource["databricks.workspace.id"]'),
  { type: 'add', field: 'resource["service.name"]', value: 'databricks' },
  { type: 'remove', field: 'attributes.j' },
];

function move(field: string, to: string): object {
  return { type: 'move', from: `attributes.j.${field}`, to };
}
