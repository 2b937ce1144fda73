/**
 * Detects workspaces that have become silent or have events again, and sends one alert event for each change, in the same way
 * as all records.
 *
 * Time and uid of an alert event are derived from the last event and the threshold, both of which are in the state before it
 * is sent. So after a restart, either the same bytes are sent again, or nothing.
 */
import { hash } from 'node:crypto';
import type { DeliveryState } from '../contracts/delivery-state.ts';
import type { AlertEvent } from '../contracts/mapper.ts';
import type { Observer } from '../contracts/observer.ts';
import type { Silence, SilenceState, WorkspaceEvents } from '../contracts/silence-state.ts';
import { isAgentError, isFatal } from '../model/agent-error.ts';
import type { Logger } from '../runtime/logger.ts';
import type { CaughtUpToMs } from './caught-up.ts';
import { Leadership } from './leadership.ts';

export interface SilenceWatchParts {
  readonly state: SilenceState & Pick<DeliveryState, 'lead'>;
  /** Resolves when the alert event has been accepted or dead-lettered. */
  readonly send: (event: AlertEvent, signal: AbortSignal) => Promise<void>;
  readonly observe: Observer;
  readonly logger: Logger;
  readonly thresholdMs: number;
  /** A workspace that has been silent for longer than this raises no alert event: it is no longer used. */
  readonly lookbackMs: number;
}

export class SilenceWatch {
  readonly #parts: SilenceWatchParts;
  /** Workspaces that were reported to observers as silent, with the time of their last event. */
  readonly #silent = new Map<string | undefined, number>();
  readonly #leadership: Leadership;
  #isChecking = false;

  constructor(parts: SilenceWatchParts) {
    this.#parts = parts;
    this.#leadership = new Leadership(parts.state, 'silence');
  }

  /** @param toMs everything of a workspace that was delivered before this time is settled. The others are not watched. */
  async check(toMs: CaughtUpToMs, signal: AbortSignal): Promise<void> {
    if (this.#isChecking) return; // An earlier check is still waiting for the collector.
    this.#isChecking = true;
    try {
      const lead = await this.#leadership.held();
      if (lead === undefined) return this.#leaveToOthers();
      await this.#checkWorkspaces(toMs, AbortSignal.any([signal, lead.lost])).catch((error: unknown) => {
        // An alert event that waits for the collector is sent by whoever leads now.
        if (signal.aborted || !lead.lost.aborted || (isAgentError(error) && isFatal(error))) throw error;
        this.#leaveToOthers();
      });
    } finally {
      this.#isChecking = false;
    }
  }

  async close(): Promise<void> {
    await this.#leadership.release();
  }

  /** Another process watches now. This one would not notice the end of a silence, and would report it for ever. */
  #leaveToOthers(): void {
    const { thresholdMs } = this.#parts;
    for (const [workspaceId, lastEventMs] of this.#silent) this.#observe(workspaceId, false, lastEventMs, thresholdMs);
  }

  async #checkWorkspaces(toMs: CaughtUpToMs, signal: AbortSignal): Promise<void> {
    for (const workspace of await this.#parts.state.workspaces()) {
      const upToMs = toMs(workspace.workspaceId);
      if (upToMs !== undefined) await this.#checkWorkspace(workspace, upToMs, signal);
    }
  }

  async #checkWorkspace(workspace: WorkspaceEvents, upToMs: number, signal: AbortSignal): Promise<void> {
    const { workspaceId, lastEventMs, silence } = workspace;
    const { state, thresholdMs, lookbackMs } = this.#parts;
    if (silence !== undefined) return await this.#report(workspaceId, silence, signal);
    if (lastEventMs + thresholdMs > upToMs) return this.#observe(workspaceId, false, lastEventMs, thresholdMs);
    this.#observe(workspaceId, true, lastEventMs, thresholdMs);
    if (lastEventMs + thresholdMs <= upToMs - lookbackMs) return;
    await state.beginSilence(workspaceId, lastEventMs, thresholdMs, signal);
    const begun = { sinceMs: lastEventMs, thresholdMs, isReported: false, endedByMs: undefined };
    await this.#report(workspaceId, begun, signal);
  }

  /** Sends the alert events of a silence that are still to be sent. */
  async #report(workspaceId: string | undefined, silence: Silence, signal: AbortSignal): Promise<void> {
    const { state, send, logger } = this.#parts;
    const { sinceMs, thresholdMs, isReported, endedByMs } = silence;
    const fields = { workspace: workspaceId, last_event: new Date(sinceMs).toISOString() };
    if (endedByMs === undefined) this.#observe(workspaceId, true, sinceMs, thresholdMs);
    if (!isReported) {
      logger.warn(fields, 'Workspace is silent');
      await send(silenceEvent(workspaceId, silence), signal);
      await state.silenceReported(workspaceId, signal);
    }
    if (endedByMs === undefined) return;
    logger.info(fields, 'Workspace has events again');
    await send(silenceEndedEvent(workspaceId, silence, endedByMs), signal);
    await state.endSilence(workspaceId, signal);
    this.#observe(workspaceId, false, endedByMs, thresholdMs);
  }

  #observe(workspaceId: string | undefined, silent: boolean, lastEventMs: number, thresholdMs: number): void {
    if (this.#silent.has(workspaceId) === silent) return;
    if (silent) this.#silent.set(workspaceId, lastEventMs);
    else this.#silent.delete(workspaceId);
    this.#parts.observe({ kind: 'silenceChanged', workspaceId, silent, lastEventMs, thresholdMs });
  }
}

function silenceEvent(workspaceId: string | undefined, { sinceMs, thresholdMs }: Silence): AlertEvent {
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

function silenceEndedEvent(
  workspaceId: string | undefined,
  { sinceMs, thresholdMs }: Silence,
  endedByMs: number,
): AlertEvent {
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
