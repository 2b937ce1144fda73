/**
 * One version of a file, read through an open handle: a file that is renamed over it in the meantime is another version.
 */
import { basename } from 'node:path';
import { AgentError } from '../../model/agent-error.ts';
import type { ObjectId, ObjectOrigin, ObjectVersion } from '../../model/object.ts';
import { printable } from '../../runtime/printable.ts';
import { readLayout } from '../layout.ts';
import type { DeliveryFile, DeliveryFiles, FileStats } from './delivery-files.ts';
import { describeFileError } from './errors.ts';
import { pathToUrl } from './file-names.ts';

const chunkBytes = 524_288;

export function fileOrigin(path: string, mapping: string | undefined): ObjectOrigin {
  return {
    id: pathToUrl(path) as ObjectId,
    fileName: basename(path).toWellFormed(),
    location: {},
    ...readLayout(path.toWellFormed()),
    mapping,
  };
}

export function fileVersion(stats: FileStats): ObjectVersion {
  return {
    etag: `${stats.ino}-${stats.size}-${stats.mtimeNs}`,
    sizeBytes: Number(stats.size),
    modifiedAtMs: Number(stats.mtimeNs / 1_000_000n),
  };
}

/**
 * The bytes of exactly this version. The handle is closed when the iteration ends, so iterate.
 * Rejects with ERR_OBJECT_CHANGED, ERR_OBJECT_GONE, ERR_SOURCE_ACCESS_DENIED or ERR_SOURCE_READ, possibly only after the last
 * byte: if the file was written while it was read, the bytes may be a mixture of two versions.
 */
export async function openFileVersion(
  files: DeliveryFiles,
  path: string,
  version: ObjectVersion,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  signal.throwIfAborted();
  const file = await files.open(path).catch((error: unknown) => {
    throw describeFileError(error, 'open', path);
  });
  let opened: ObjectVersion;
  try {
    opened = await versionOf(file, path);
    if (!isSameFile(opened.etag, version.etag)) throw changed(path);
  } catch (error) {
    await file.close();
    throw error;
  }
  return readVersion(file, path, opened, signal);
}

async function* readVersion(
  file: DeliveryFile,
  path: string,
  version: ObjectVersion,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    const buffer = Buffer.allocUnsafeSlow(Math.min(chunkBytes, version.sizeBytes));
    let offsetBytes = 0;
    while (offsetBytes < version.sizeBytes) {
      signal.throwIfAborted();
      // Do not read beyond the size: what was appended since belongs to another version.
      const room = buffer.subarray(0, version.sizeBytes - offsetBytes);
      const chunk = await readChunk(file, path, offsetBytes, room);
      if (chunk.length === 0) throw changed(path);
      offsetBytes += chunk.length;
      yield chunk;
    }
    await checkUnchanged(file, path, version);
  } finally {
    await file.close();
  }
}

async function readChunk(file: DeliveryFile, path: string, offsetBytes: number, buffer: Buffer): Promise<Uint8Array> {
  try {
    return buffer.subarray(0, await file.read(buffer, offsetBytes));
  } catch (error) {
    throw describeFileError(error, 'read', path);
  }
}

/**
 * Some network and FUSE file systems give a file another inode number on every stat. If it is a different file after all, the next
 * listing shows that.
 */
function isSameFile(openedEtag: string, listedEtag: string): boolean {
  const withoutInode = (etag: string) => etag.slice(etag.indexOf('-'));
  return withoutInode(openedEtag) === withoutInode(listedEtag);
}

async function checkUnchanged(file: DeliveryFile, path: string, version: ObjectVersion): Promise<void> {
  if ((await versionOf(file, path)).etag !== version.etag) throw changed(path);
}

async function versionOf(file: DeliveryFile, path: string): Promise<ObjectVersion> {
  const stats = await file.stat().catch((error: unknown) => {
    throw describeFileError(error, 'read', path);
  });
  return fileVersion(stats);
}

function changed(path: string): AgentError {
  return new AgentError('ERR_OBJECT_CHANGED', `The file changed after it was listed: ${printable(path)}`, {
    hint: 'No action needed: the next listing returns the new version.',
  });
}
