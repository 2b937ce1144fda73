/**
 * The table of workspaces: when each had its last event, and whether it has fallen silent.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { WorkspaceEvents } from '../delivery-state.ts';

export class WorkspaceRows {
  readonly #statements: ReturnType<typeof prepareStatements>;

  constructor(database: DatabaseSync) {
    this.#statements = prepareStatements(database);
  }

  all(): WorkspaceEvents[] {
    return this.#statements.all.all().map((row) => ({
      workspaceId: row.workspace_id === '' ? undefined : String(row.workspace_id),
      lastEventMs: Number(row.last_event_ms),
      silence:
        row.silent_since_ms === null
          ? undefined
          : {
              sinceMs: Number(row.silent_since_ms),
              thresholdMs: Number(row.silence_threshold_ms),
              isTold: row.silence_told === 1,
              endedByMs: row.silence_ended_by_ms === null ? undefined : Number(row.silence_ended_by_ms),
            },
    }));
  }

  /** An event was settled; it ends a silence when it is newer than the last one before that. */
  noteEvent(workspaceId: string | undefined, eventMs: number): void {
    this.#statements.noteEvent.run(workspaceId ?? '', eventMs);
  }

  beginSilence(workspaceId: string | undefined, sinceMs: number, thresholdMs: number): void {
    this.#statements.beginSilence.run(sinceMs, thresholdMs, workspaceId ?? '');
    this.#statements.endAtOnce.run(workspaceId ?? '');
  }

  silenceTold(workspaceId: string | undefined): void {
    this.#statements.silenceTold.run(workspaceId ?? '');
  }

  endSilence(workspaceId: string | undefined): void {
    this.#statements.endSilence.run(workspaceId ?? '');
  }
}

function prepareStatements(database: DatabaseSync) {
  return {
    all: database.prepare('SELECT * FROM workspace ORDER BY workspace_id'),
    noteEvent: database.prepare(`
      INSERT INTO workspace (workspace_id, last_event_ms) VALUES (?, ?) ON CONFLICT (workspace_id) DO UPDATE SET
        silence_ended_by_ms = coalesce(silence_ended_by_ms, iif(excluded.last_event_ms > silent_since_ms, excluded.last_event_ms, NULL)),
        last_event_ms = max(last_event_ms, excluded.last_event_ms)`),
    beginSilence: database.prepare(`
      UPDATE workspace SET silent_since_ms = ?, silence_threshold_ms = ?, silence_told = 0, silence_ended_by_ms = NULL
      WHERE workspace_id = ?`),
    /** Of an event that was settled between the look at the workspace and this change. */
    endAtOnce: database.prepare(
      'UPDATE workspace SET silence_ended_by_ms = last_event_ms WHERE workspace_id = ? AND last_event_ms > silent_since_ms',
    ),
    silenceTold: database.prepare('UPDATE workspace SET silence_told = 1 WHERE workspace_id = ?'),
    endSilence: database.prepare(`
      UPDATE workspace SET silent_since_ms = NULL, silence_threshold_ms = NULL, silence_told = 0, silence_ended_by_ms = NULL
      WHERE workspace_id = ?`),
  };
}
