/**
 * Notices a workspace that has fallen silent, and one that speaks again. For each of the two it sends one notice, by the way
 * of all records.
 *
 * Time and uid of a notice follow from the last event and the threshold, and the state keeps both before the notice is sent: a
 * restart sends the same bytes again or nothing.
 */
import { hash } from 'node:crypto';
import type { DeliveryState, Silence, WorkspaceEvents } from '../contracts/delivery-state.ts';
import type { Notice } from '../contracts/mapper.ts';
import type { Observer } from '../contracts/observer.ts';
import type { Logger } from '../runtime/logger.ts';

export interface SilenceWatchParts {
  readonly state: DeliveryState;
  /** Resolves when the notice was accepted, or is in the dead letters. */
  readonly send: (notice: Notice, signal: AbortSignal) => Promise<void>;
  readonly observe: Observer;
  readonly logger: Logger;
  readonly thresholdMs: number;
  /** A workspace that has been silent for longer raises no notice any more: it was given up before anybody looked. */
  readonly lookbackMs: number;
}

export class SilenceWatch {
  readonly #parts: SilenceWatchParts;
  /** Workspaces that observers were told about. */
  readonly #silent = new Set<string | undefined>();
  #isLooking = false;

  constructor(parts: SilenceWatchParts) {
    this.#parts = parts;
  }

  /** @param upToMs everything that had been delivered at this time is settled. */
  async look(upToMs: number, signal: AbortSignal): Promise<void> {
    if (this.#isLooking) return; // The collector keeps an earlier look waiting.
    this.#isLooking = true;
    try {
      for (const workspace of this.#parts.state.workspaces()) await this.#lookAt(workspace, upToMs, signal);
    } finally {
      this.#isLooking = false;
    }
  }

  async #lookAt(workspace: WorkspaceEvents, upToMs: number, signal: AbortSignal): Promise<void> {
    const { workspaceId, lastEventMs, silence } = workspace;
    const { state, thresholdMs, lookbackMs } = this.#parts;
    if (silence !== undefined) return await this.#goOn(workspaceId, silence, signal);
    if (lastEventMs + thresholdMs > upToMs) return this.#tell(workspaceId, false, lastEventMs, thresholdMs);
    this.#tell(workspaceId, true, lastEventMs, thresholdMs);
    if (lastEventMs + thresholdMs <= upToMs - lookbackMs) return;
    state.beginSilence(workspaceId, lastEventMs, thresholdMs);
    await state.flush(signal);
    const begun = { sinceMs: lastEventMs, thresholdMs, isTold: false, endedByMs: undefined };
    await this.#goOn(workspaceId, begun, signal);
  }

  /** Whatever of the silence has not been told yet. */
  async #goOn(workspaceId: string | undefined, silence: Silence, signal: AbortSignal): Promise<void> {
    const { state, send, logger } = this.#parts;
    const { sinceMs, thresholdMs, isTold, endedByMs } = silence;
    const fields = { workspace: workspaceId, last_event: new Date(sinceMs).toISOString() };
    if (endedByMs === undefined) this.#tell(workspaceId, true, sinceMs, thresholdMs);
    if (!isTold) {
      logger.warn(fields, 'A workspace is silent');
      await send(silenceNotice(workspaceId, silence), signal);
      state.silenceTold(workspaceId);
      await state.flush(signal);
    }
    if (endedByMs === undefined) return;
    logger.info(fields, 'A workspace that was silent has events again');
    await send(endNotice(workspaceId, silence, endedByMs), signal);
    state.endSilence(workspaceId);
    await state.flush(signal);
    this.#tell(workspaceId, false, endedByMs, thresholdMs);
  }

  #tell(workspaceId: string | undefined, silent: boolean, lastEventMs: number, thresholdMs: number): void {
    if (this.#silent.has(workspaceId) === silent) return;
    if (silent) this.#silent.add(workspaceId);
    else this.#silent.delete(workspaceId);
    this.#parts.observe({ kind: 'silenceChanged', workspaceId, silent, lastEventMs, thresholdMs });
  }
}

function silenceNotice(workspaceId: string | undefined, { sinceMs, thresholdMs }: Silence): Notice {
  return {
    eventName: 'databricks.audit.silence',
    timeMs: sinceMs + thresholdMs,
    uid: uidOf('silence', workspaceId, sinceMs, thresholdMs),
    workspaceId,
    severity: 'WARN',
    body: `No event of ${nameOf(workspaceId)} since ${isoTime(sinceMs)}`,
    attributes: {
      'databricks.audit.silence.last_event': isoTime(sinceMs),
      'databricks.audit.silence.threshold': thresholdMs / 1000,
    },
  };
}

function endNotice(workspaceId: string | undefined, { sinceMs, thresholdMs }: Silence, endedByMs: number): Notice {
  return {
    eventName: 'databricks.audit.silence_ended',
    timeMs: endedByMs,
    uid: uidOf('silence_ended', workspaceId, sinceMs, thresholdMs),
    workspaceId,
    severity: 'INFO',
    body: `${nameOf(workspaceId)} has events again, the first since ${isoTime(sinceMs)}`,
    attributes: {
      'databricks.audit.silence.last_event': isoTime(sinceMs),
      'databricks.audit.silence.threshold': thresholdMs / 1000,
      'databricks.audit.silence.duration': Math.round((endedByMs - sinceMs) / 1000),
    },
  };
}

function uidOf(kind: string, workspaceId: string | undefined, sinceMs: number, thresholdMs: number): string {
  return hash('sha256', JSON.stringify([kind, workspaceId ?? null, sinceMs, thresholdMs]));
}

function nameOf(workspaceId: string | undefined): string {
  return workspaceId === undefined ? 'the source' : `workspace ${workspaceId}`;
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
