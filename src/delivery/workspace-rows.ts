/**
 * The workspace table: when each workspace had its last event, and whether it is silent. A damaged row must not hide a
 * silence, so a row is changed only after its checksum was verified.
 */
import { Buffer } from 'node:buffer';
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { type WorkspaceEvents, withEvent, withSilence } from '../contracts/silence-state.ts';
import { checksumOf, verified } from './row-checksum.ts';

/** Every function throws DamageFound if a row does not match its checksum. */
export class WorkspaceRows {
  readonly #statements: ReturnType<typeof prepareStatements>;

  constructor(database: DatabaseSync) {
    this.#statements = prepareStatements(database);
  }

  all(): WorkspaceEvents[] {
    return this.#statements.all.all().map(fromRow);
  }

  recordEvent(workspaceId: string | undefined, eventMs: number, nowMs: number): void {
    this.#write(withEvent(this.#find(workspaceId), workspaceId, eventMs, nowMs));
  }

  beginSilence(workspaceId: string | undefined, sinceMs: number, thresholdMs: number, nowMs: number): void {
    this.#change(workspaceId, (events) => withSilence(events, sinceMs, thresholdMs, nowMs));
  }

  /** For a copy of a state. */
  put(events: WorkspaceEvents): void {
    this.#write(events);
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

/** The key is empty for a tree without workspaces. */
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
