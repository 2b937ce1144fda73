/**
 * From a file to its mapped records, without state or collector.
 */
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import type { Configuration } from '../config/index.ts';
import { createDecoder } from '../decoders/index.ts';
import { createMapper } from '../mapping/index.ts';
import { type DeliveredLine, digestOf } from '../model/line.ts';
import type { DeliveredObject, ObjectId } from '../model/object.ts';
import { createSources } from '../sources/index.ts';

/**
 * @param input a path of a file or directory, or a stream such as standard input.
 * @returns one line of OTLP/JSON for each line of the input.
 */
export async function* previewLines(
  mapping: Configuration['mapping'],
  input: string | Readable,
  signal: AbortSignal,
): AsyncIterable<string> {
  const mapper = createMapper(mapping);
  const decoder = createDecoder();
  for await (const { origin, version, open } of objectsOf(input, signal)) {
    const splitter = decoder.createLineSplitter(0);
    const occurrences = new Map<string, number>();
    const map = (line: DeliveredLine) => {
      const digest = digestOf(line);
      const occurrence = (occurrences.get(digest) ?? 0) + 1;
      occurrences.set(digest, occurrence);
      const { bytes, sizeBytes } = line;
      return mapper.toJsonLine({ bytes, sizeBytes, origin, digest, occurrence, observedAtMs: version.modifiedAtMs });
    };
    for await (const chunk of decoder.decompress(await open(signal))) {
      for (const line of splitter.push(chunk)) yield map(line);
    }
    const lastLine = splitter.end();
    if (lastLine !== undefined) yield map(lastLine);
  }
}

async function* objectsOf(input: string | Readable, signal: AbortSignal): AsyncIterable<DeliveredObject> {
  if (typeof input !== 'string') {
    yield streamObject(input);
    return;
  }
  const location = { kind: 'directory', path: resolve(input), name: input } as const;
  for (const source of createSources({ sources: [location], stillAfterPolls: 0 })) {
    const request = {
      dates: { from: undefined, before: undefined },
      signal,
      onFault: (fault: Error) => {
        throw fault;
      },
    };
    for await (const listing of source.list(request)) yield* listing.objects();
  }
}

function streamObject(stream: Readable): DeliveredObject {
  return {
    origin: {
      id: 'stdin:' as ObjectId,
      fileName: 'stdin',
      bucket: undefined,
      key: undefined,
      workspaceId: undefined,
      date: undefined,
    },
    version: { etag: '', sizeBytes: 0, modifiedAtMs: Date.now() },
    growing: false,
    open: async () => stream,
  };
}
