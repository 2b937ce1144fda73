/**
 * The first lines of the newest object of a source, as a sample of what it holds.
 */
import type { Source } from '../contracts/source.ts';
import { createDecoder } from '../decoders/index.ts';
import type { AgentError } from '../model/agent-error.ts';
import type { IdentifiedLine } from '../model/line.ts';
import type { DeliveredObject } from '../model/object.ts';
import { identityOf } from '../pipeline/line-identity.ts';

/** Dates in which the newest object is looked for first: all dates of a bucket can be many requests. */
const recentDays = 7;
const pagesMax = 20;
const dayMs = 86_400_000;

export interface ListingContext {
  readonly signal: AbortSignal;
  readonly nowMs: number;
  readonly onFault?: ((fault: AgentError) => void) | undefined;
}

/** Of the last days, or else of the first pages of all dates. */
export async function newestObject(source: Source, context: ListingContext): Promise<DeliveredObject | undefined> {
  const from = new Date(context.nowMs - recentDays * dayMs).toISOString().slice(0, 10);
  return (await newestSince(from, source, context)) ?? newestSince(undefined, source, context);
}

async function newestSince(
  from: string | undefined,
  source: Source,
  { signal, onFault = () => {} }: ListingContext,
): Promise<DeliveredObject | undefined> {
  let newest: DeliveredObject | undefined;
  let pages = 0;
  for await (const listing of source.list({ dates: { from, before: undefined }, signal, onFault })) {
    for await (const page of listing.pages()) {
      for (const { object } of page) {
        if (newest === undefined || object.version.modifiedAtMs >= newest.version.modifiedAtMs) newest = object;
      }
      if (++pages >= pagesMax) return newest;
    }
  }
  return newest;
}

export async function firstLines(
  { origin, version, open }: DeliveredObject,
  linesMax: number,
  signal: AbortSignal,
): Promise<IdentifiedLine[]> {
  const decoder = createDecoder();
  const splitter = decoder.createLineSplitter(0);
  const content = await open(signal);
  const lines: IdentifiedLine[] = [];
  const add = (line: ReturnType<typeof splitter.end>) => {
    if (line === undefined || lines.length === linesMax) return;
    const identity = identityOf(line, content);
    const bytes = Uint8Array.from(line.bytes);
    lines.push({
      ...identity,
      bytes,
      sizeBytes: line.sizeBytes,
      origin,
      occurrence: 1,
      observedAtMs: version.modifiedAtMs,
    });
  };
  for await (const chunk of decoder.decompress(content)) {
    for (const line of splitter.push(chunk)) add(line);
    if (lines.length === linesMax) return lines;
  }
  add(splitter.end());
  return lines;
}
