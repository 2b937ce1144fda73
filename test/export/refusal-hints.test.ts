import { describe, expect, it } from 'vitest';
import { refusalHint } from '../../src/export/refusal-hints.ts';

/** The texts of Loki 3.7.8. */
const refusals = {
  time_sharding_enabled:
    "entry with timestamp 2026-01-02 00:00:00 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 2026-01-02T00:00:00Z, oldest acceptable timestamp is: 2026-01-31T23:00:00Z',",
  'reject_old_samples: false': `entry for stream '{service_name="databricks"}' has timestamp too old: 2026-01-02T00:00:00Z, oldest acceptable timestamp is: 2026-01-25T00:00:00Z`,
  creation_grace_period: `entry for stream '{service_name="databricks"}' has timestamp too new: 2026-02-02T00:00:00Z`,
  max_line_size: `max entry size '262144' bytes exceeded for stream '{service_name="databricks"}' while adding an entry with length '300000' bytes`,
  max_structured_metadata_size: `stream '{service_name="databricks"}' has structured metadata too large: '70000' bytes, limit: '65536' bytes. Please see ...`,
  max_structured_metadata_entries_count: `stream '{service_name="databricks"}' has too many structured metadata labels: '130', limit: '128'. Please see ...`,
  allow_structured_metadata: `stream '{}' includes structured metadata, but this feature is disallowed. Please see ...`,
  per_stream_rate_limit: `Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{}' totaling 4MB, consider ...`,
  ingestion_rate_mb: `ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec) while attempting to ingest '512' lines totaling ...`,
  max_global_streams_per_user:
    'maximum active stream limit exceeded when trying to create stream {}, reduce the number ...',
  grpc_server_max_recv_msg_size:
    'rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5000000 vs. 4194304)',
};

describe('the hint for a rejection', () => {
  it.each(Object.entries(refusals))('names the setting of Loki: %s', (setting, words) => {
    expect(refusalHint(words)).toContain(setting);
    expect(refusalHint(`HTTP 400: Permanent error: rpc error: code = InvalidArgument desc = ${words}`)).toContain(
      setting,
    );
  });

  it('is undefined for an unknown text', () => {
    expect(refusalHint('line too long')).toBeUndefined();
  });
});
