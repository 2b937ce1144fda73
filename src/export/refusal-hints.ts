/**
 * Maps the text of a rejection to the backend setting that causes it. The texts are from Loki 3.7 (its
 * pkg/validation/validate.go and pkg/chunkenc/interface.go; google.golang.org/grpc for the message size). A Collector in
 * between passes them on.
 */

interface RefusalHint {
  readonly words: RegExp;
  readonly hint: string;
}

const hints: readonly RefusalHint[] = [
  {
    words: /entry too far behind/i,
    hint:
      'Loki accepts entries up to half of ingester.max_chunk_age older than the newest one of a stream. Set ' +
      'limits_config.shard_streams.time_sharding_enabled: true with shard_streams.desired_rate: 100GB, or a longer max_chunk_age.',
  },
  {
    words: /has timestamp too old/i,
    hint: 'Set limits_config.reject_old_samples: false in Loki, or a longer reject_old_samples_max_age.',
  },
  {
    words: /has timestamp too new/i,
    hint: "Set a longer limits_config.creation_grace_period in Loki, and check the clock of Loki's host.",
  },
  {
    words: /max entry size '?\d+'? bytes exceeded/i,
    hint: 'Raise limits_config.max_line_size in Loki; the agent sends lines of up to 1 MiB.',
  },
  {
    words: /structured metadata too large/i,
    hint: 'Raise limits_config.max_structured_metadata_size in Loki.',
  },
  {
    words: /too many structured metadata labels/i,
    hint: 'Raise limits_config.max_structured_metadata_entries_count in Loki.',
  },
  {
    words: /structured metadata, but this feature is disallowed/i,
    hint: 'Set limits_config.allow_structured_metadata: true in Loki.',
  },
  {
    words: /per stream rate limit exceeded/i,
    hint: 'Raise limits_config.per_stream_rate_limit and per_stream_rate_limit_burst in Loki: each workspace is one stream.',
  },
  {
    words: /ingestion rate limit exceeded/i,
    hint: 'Raise limits_config.ingestion_rate_mb and ingestion_burst_size_mb in Loki.',
  },
  {
    words: /maximum active stream limit exceeded/i,
    hint: 'Raise limits_config.max_global_streams_per_user in Loki.',
  },
  {
    words: /received message larger than max|message size too large/i,
    hint: 'Raise server.grpc_server_max_recv_msg_size in Loki, or lower DATABRICKS_AUDIT_BATCH_BYTES.',
  },
];

/** Undefined if the reason is not known. */
export function refusalHint(reason: string): string | undefined {
  return hints.find(({ words }) => words.test(reason))?.hint;
}
