/**
 * Maps the lines of a file or a source to records, without state or collector.
 */
import type { Readable } from 'node:stream';
import { createMappers } from '../agent/mappers.ts';
import type { Configuration } from '../config/index.ts';
import { createDecoder } from '../decoders/index.ts';
import type { AgentError } from '../model/agent-error.ts';
import type { DeliveredLine } from '../model/line.ts';
import type { DeliveredObject, ObjectId } from '../model/object.ts';
import { identityOf } from '../pipeline/line-identity.ts';
import { createSources, directoryAt } from '../sources/index.ts';

/**
 * @param input the path of a file or directory, a stream such as standard input, or undefined for the sources of the configuration.
 * @returns one line of OTLP/JSON per line of input.
 */
export async function* previewLines(
  configuration: Configuration,
  input: string | Readable | undefined,
  signal: AbortSignal,
): AsyncIterable<string> {
  const mapperFor = createMappers(configuration);
  const decoder = createDecoder();
  for await (const { origin, version, open } of objectsOf(configuration, input, signal)) {
    const splitter = decoder.createLineSplitter(0);
    const occurrences = new Map<string, number>();
    const content = await open(signal);
    const mapper = mapperFor(origin.mapping);
    const map = (line: DeliveredLine) => {
      const { digest, hasOwnIdentity } = identityOf(line, content);
      const occurrence = (occurrences.get(digest) ?? 0) + 1;
      occurrences.set(digest, occurrence);
      if (hasOwnIdentity && occurrence > 1) return [];
      const { bytes, sizeBytes } = line;
      const observedAtMs = version.modifiedAtMs;
      return [mapper.toJsonLine({ bytes, sizeBytes, origin, digest, hasOwnIdentity, occurrence, observedAtMs })];
    };
    for await (const chunk of decoder.decompress(content)) {
      for (const line of splitter.push(chunk)) yield* map(line);
    }
    const lastLine = splitter.end();
    if (lastLine !== undefined) yield* map(lastLine);
  }
}

async function* objectsOf(
  { sources }: Configuration,
  input: string | Readable | undefined,
  signal: AbortSignal,
): AsyncIterable<DeliveredObject> {
  if (input !== undefined && typeof input !== 'string') {
    yield streamObject(input);
    return;
  }
  const locations = input === undefined ? sources : [{ ...directoryAt(input), pollIntervalMs: 0 }];
  for (const source of createSources(locations, { stillAfterPolls: 0 })) {
    let hasObjects = false;
    let skipped: AgentError | undefined;
    const request = {
      dates: { from: undefined, before: undefined },
      signal,
      onFault: (fault: AgentError) => {
        if (fault.code !== 'ERR_SOURCE_LAYOUT') throw fault;
        skipped ??= fault;
      },
    };
    try {
      for await (const listing of source.list(request)) {
        for await (const page of listing.pages()) {
          hasObjects = true;
          for (const { object } of page) yield object;
        }
      }
    } finally {
      await source.close();
    }
    if (!hasObjects && skipped !== undefined) throw skipped;
  }
}

function streamObject(stream: Readable): DeliveredObject {
  return {
    origin: {
      id: 'stdin:' as ObjectId,
      fileName: 'stdin',
      location: {},
      workspaceId: undefined,
      date: undefined,
    },
    version: { etag: '', sizeBytes: 0, modifiedAtMs: Date.now() },
    growing: false,
    open: async () => stream,
  };
}
