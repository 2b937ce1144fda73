/**
 * The register of one object: all that is known about it except line hashes, which are in batch items (batch-items.ts). It is
 * written whole, and below 1 KB in all but odd cases.
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Position } from '../contracts/delivery-state.ts';
import { type SettledFault, settledFaultSchema } from '../contracts/settled-fault.ts';
import type { ObjectId, ObjectOrigin, ObjectVersion } from '../model/object.ts';
import { parseRegister } from './register-format.ts';
import type { ItemKey, Register } from './store.ts';

/**
 * The batch items of one visit, numbered in object order. What is below `settledCount` is settled, and what is between that and
 * `admittedCount` is announced. An item with a higher number does not count: it was put, but never admitted.
 */
export interface VisitItems {
  readonly epoch: number;
  /** Unique, also if a database forgets writes after a failover and an epoch is used twice. */
  readonly token: string;
  /** Settled items that were merged with those of other visits. */
  readonly mergedCount: number;
  settledCount: number;
  admittedCount: number;
  /** Items of their own numbering, with settled lines that were not announced by this visit. */
  extraCount: number;
}

/** The settled lines of visits that ended long ago, in few items. */
export interface MergedItems {
  readonly epoch: number;
  readonly token: string;
  readonly count: number;
}

export interface ObjectRegister {
  readonly id: ObjectId;
  readonly workspaceId: string | undefined;
  readonly date: string | undefined;
  /** Id of the process that holds the claim. */
  owner: string | undefined;
  /** Goes up with each claim. */
  epoch: number;
  /** Claims taken over from a dead owner since a batch was last settled. */
  takeoverCount: number;
  settledVersion: ObjectVersion | undefined;
  /** What was wrong with that version. */
  settledFault: SettledFault | undefined;
  settled: Position;
  /** The next visit compares every line, if there are line hashes. */
  isReopened: boolean;
  /**
   * False from the moment at which a visit had to do without the hashes of settled lines. What it settles is then only known by
   * position, so the hashes that are still there must not count for anybody, whose clock may say something else.
   */
  hasLineHashes: boolean;
  visits: VisitItems[];
  merged: MergedItems | undefined;
  acceptedCount: number;
  deadLetteredCount: number;
  unparsedCount: number;
  /** Time of the newest settled event. */
  newestEventMs: number | undefined;
}

const registerSort = 'h';
const objectPartition = 'o#';
/** Object ids of S3 have at most 1,100 bytes. */
const idBytesMax = 1800;

const positionSchema = z.object({ offsetBytes: z.number(), lineCount: z.number(), digest: z.string() });
const versionSchema = z.object({ etag: z.string(), sizeBytes: z.number(), modifiedAtMs: z.number() });
const objectSchema = z.object({
  id: z.string(),
  workspaceId: z.string().optional(),
  date: z.string().optional(),
  owner: z.string().optional(),
  epoch: z.number(),
  takeoverCount: z.number(),
  settledVersion: versionSchema.optional(),
  settledFault: settledFaultSchema.optional(),
  settled: positionSchema,
  isReopened: z.boolean(),
  hasLineHashes: z.boolean(),
  /** Epoch, token, merged, settled, admitted, extra. */
  visits: z.array(z.tuple([z.number(), z.string(), z.number(), z.number(), z.number(), z.number()])),
  merged: z.object({ epoch: z.number(), token: z.string(), count: z.number() }).optional(),
  acceptedCount: z.number(),
  deadLetteredCount: z.number(),
  unparsedCount: z.number(),
  newestEventMs: z.number().optional(),
});

export function partitionOf(id: ObjectId): string {
  const isPlain = Buffer.byteLength(id) <= idBytesMax && !id.includes('\0');
  return `${objectPartition}${isPlain ? id : `sha256:${createHash('sha256').update(id).digest('hex')}`}`;
}

export function objectKey(id: ObjectId): ItemKey {
  return { partition: partitionOf(id), sort: registerSort };
}

export function isObjectKey({ partition, sort }: ItemKey): boolean {
  return sort === registerSort && partition.startsWith(objectPartition);
}

/** Of an object that was never visited. */
export function newObjectRegister({ id, workspaceId, date }: Pick<ObjectOrigin, 'id' | 'workspaceId' | 'date'>) {
  return {
    id,
    workspaceId,
    date,
    owner: undefined,
    epoch: 0,
    takeoverCount: 0,
    settledVersion: undefined,
    settledFault: undefined,
    settled: startOfObject,
    isReopened: false,
    hasLineHashes: true,
    visits: [],
    merged: undefined,
    acceptedCount: 0,
    deadLetteredCount: 0,
    unparsedCount: 0,
    newestEventMs: undefined,
  } satisfies ObjectRegister as ObjectRegister;
}

export function toText(register: ObjectRegister, format: number): string {
  const { settled, visits, ...rest } = register;
  return JSON.stringify({
    format,
    ...rest,
    settled: { ...settled, digest: Buffer.from(settled.digest).toString('base64') },
    visits: visits.map(({ epoch, token, mergedCount, settledCount, admittedCount, extraCount }) => [
      epoch,
      token,
      mergedCount,
      settledCount,
      admittedCount,
      extraCount,
    ]),
  });
}

/**
 * @returns `newer` if a newer version of the agent wrote it.
 * @throws AgentError ERR_STATE_FORMAT
 */
export function parseObjectRegister(key: ItemKey, { value }: Register): ObjectRegister | 'newer' {
  const parsed = parseRegister(key, value, objectSchema);
  if (parsed === 'newer') return 'newer';
  const { id, settled, visits, ...rest } = parsed;
  return {
    id: id as ObjectId,
    workspaceId: undefined,
    date: undefined,
    owner: undefined,
    settledVersion: undefined,
    settledFault: undefined,
    merged: undefined,
    newestEventMs: undefined,
    ...rest,
    settled: { ...settled, digest: Uint8Array.from(Buffer.from(settled.digest, 'base64')) },
    visits: visits.map(([epoch, token, mergedCount, settledCount, admittedCount, extraCount]) => ({
      epoch,
      token,
      mergedCount,
      settledCount,
      admittedCount,
      extraCount,
    })),
  };
}

/** True if nothing of the object was ever announced, settled or finished. */
export function isPristine({
  settledVersion,
  settled,
  visits,
  merged,
  acceptedCount,
  deadLetteredCount,
}: ObjectRegister) {
  const lineCount = settled.offsetBytes + acceptedCount + deadLetteredCount;
  return settledVersion === undefined && merged === undefined && visits.length === 0 && lineCount === 0;
}

export const startOfObject: Position = {
  offsetBytes: 0,
  lineCount: 0,
  digest: Uint8Array.from(createHash('sha256').digest()),
};
