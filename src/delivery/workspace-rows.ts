/**
 * The table of workspaces: when each had its last event, and whether it has fallen silent. A row that rots must not hide a
 * silence, so none is changed before its checksum agrees.
 */
import { Buffer } from 'node:buffer';
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Silence, WorkspaceEvents } from '../contracts/silence-state.ts';
import { checksumOf, verified } from './row-checksum.ts';

/** Its functions throw DamageFound where SQLite itself finds no fault. */
export class WorkspaceRows {
  readonly #statements: ReturnType<typeof prepareStatements>;

  constructor(database: DatabaseSync) {
    this.#statements = prepareStatements(database);
  }

  all(): WorkspaceEvents[] {
    return this.#statements.all.all().map(fromRow);
  }

  /**
   * An event was settled. It ends a silence when it is newer than the last one before that, and no older than the threshold:
   * a backfill or a late delivery brings older ones, after which the workspace is as silent as before.
   */
  noteEvent(workspaceId: string | undefined, eventMs: number, nowMs: number): void {
    const { lastEventMs = eventMs, silence } = this.#find(workspaceId) ?? {};
    const ended = silence === undefined ? undefined : endedBy(eventMs, silence, nowMs);
    this.#write({ workspaceId, lastEventMs: Math.max(lastEventMs, eventMs), silence: ended });
  }

  /** An event that was settled between the look at the workspace and this change ends it at once. */
  beginSilence(workspaceId: string | undefined, sinceMs: number, thresholdMs: number, nowMs: number): void {
    const begun = { sinceMs, thresholdMs, isReported: false, endedByMs: undefined };
    this.#change(workspaceId, (events) => ({ ...events, silence: endedBy(events.lastEventMs, begun, nowMs) }));
  }

  silenceReported(workspaceId: string | undefined): void {
    this.#change(workspaceId, (events) => ({
      ...events,
      silence: events.silence && { ...events.silence, isReported: true },
    }));
  }

  endSilence(workspaceId: string | undefined): void {
    this.#change(workspaceId, (events) => ({ ...events, silence: undefined }));
  }

  #change(workspaceId: string | undefined, change: (events: WorkspaceEvents) => WorkspaceEvents): void {
    const events = this.#find(workspaceId);
    if (events !== undefined) this.#write(change(events));
  }

  #find(workspaceId: string | undefined): WorkspaceEvents | undefined {
    const row = this.#statements.find.get(keyOf(workspaceId));
    return row === undefined ? undefined : fromRow(row);
  }

  #write(events: WorkspaceEvents): void {
    const { workspaceId, lastEventMs, silence } = events;
    this.#statements.write.run(
      keyOf(workspaceId),
      lastEventMs,
      silence?.sinceMs ?? null,
      silence?.thresholdMs ?? null,
      silence?.isReported ? 1 : 0,
      silence?.endedByMs ?? null,
      checksumOf(keyOf(workspaceId), contentOf(events)),
    );
  }
}

function endedBy(eventMs: number, silence: Silence, nowMs: number): Silence {
  const isSignOfLife = eventMs > silence.sinceMs && eventMs > nowMs - silence.thresholdMs;
  return { ...silence, endedByMs: silence.endedByMs ?? (isSignOfLife ? eventMs : undefined) };
}

function fromRow(row: Record<string, SQLOutputValue>): WorkspaceEvents {
  const key = String(row.workspace_id);
  const events = {
    workspaceId: key === '' ? undefined : key,
    lastEventMs: Number(row.last_event_ms),
    silence:
      row.silent_since_ms === null
        ? undefined
        : {
            sinceMs: Number(row.silent_since_ms),
            thresholdMs: Number(row.silence_threshold_ms),
            isReported: row.silence_told === 1,
            endedByMs: row.silence_ended_by_ms === null ? undefined : Number(row.silence_ended_by_ms),
          },
  };
  verified(key, contentOf(events), row.checksum);
  return events;
}

/** Of a tree without workspaces, too. */
function keyOf(workspaceId: string | undefined): string {
  return workspaceId ?? '';
}

function contentOf({ lastEventMs, silence }: WorkspaceEvents): Uint8Array {
  const { sinceMs, thresholdMs, isReported, endedByMs } = silence ?? {};
  return Buffer.from(JSON.stringify([lastEventMs, sinceMs, thresholdMs, isReported, endedByMs]));
}

function prepareStatements(database: DatabaseSync) {
  return {
    all: database.prepare('SELECT * FROM workspace ORDER BY workspace_id'),
    find: database.prepare('SELECT * FROM workspace WHERE workspace_id = ?'),
    write: database.prepare(`
      INSERT OR REPLACE INTO workspace (workspace_id, last_event_ms, silent_since_ms, silence_threshold_ms, silence_told,
        silence_ended_by_ms, checksum) VALUES (?, ?, ?, ?, ?, ?, ?)`),
  };
}
