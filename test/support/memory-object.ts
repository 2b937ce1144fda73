/**
 * A delivered object in memory, for tests of the steps after the source.
 */
import { createHash } from 'node:crypto';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';

export interface MemoryObjectOptions {
  readonly modifiedAtMs?: number;
  readonly growing?: boolean;
  /** Bytes per chunk, so that lines span chunks. */
  readonly chunkBytes?: number;
  /** Thrown after the last byte. */
  readonly failure?: Error;
}

export function memoryObject(content: string | Uint8Array, options: MemoryObjectOptions = {}): DeliveredObject {
  const bytes = Buffer.from(content);
  const { modifiedAtMs = 1_760_000_000_000, growing = false, chunkBytes = 65_536, failure } = options;
  return {
    origin: {
      id: 's3://audit/workspaceId=1/date=2026-01-31/auditlogs_1.json' as ObjectId,
      fileName: 'auditlogs_1.json',
      location: { 'aws.s3.bucket': 'audit', 'aws.s3.key': 'workspaceId=1/date=2026-01-31/auditlogs_1.json' },
      workspaceId: '1',
      date: '2026-01-31',
    },
    version: { etag: createHash('md5').update(bytes).digest('hex'), sizeBytes: bytes.length, modifiedAtMs },
    growing,
    open: async () => chunksOf(bytes, chunkBytes, failure),
  };
}

/** Reuses one buffer for all chunks, because a chunk is valid only until the next one is requested. */
async function* chunksOf(bytes: Uint8Array, chunkBytes: number, failure: Error | undefined): AsyncIterable<Uint8Array> {
  const chunk = Buffer.alloc(Math.min(chunkBytes, bytes.length));
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const part = bytes.subarray(at, at + chunkBytes);
    chunk.set(part);
    yield chunk.subarray(0, part.length);
    chunk.fill(0);
  }
  if (failure !== undefined) throw failure;
}
