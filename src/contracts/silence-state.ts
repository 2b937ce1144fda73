/**
 * Contract: when each workspace had its last event, and whether it is silent. A change is durable when its promise resolves;
 * all reject with ERR_STATE_DAMAGED, or with the reason of an aborted signal.
 */

/** The newest settled event of a workspace. */
export interface WorkspaceEvents {
  /** From the path; undefined in layouts that have none. */
  readonly workspaceId: string | undefined;
  readonly lastEventMs: number;
  /** Set from the moment the silence is detected until its end has been reported. */
  readonly silence: Silence | undefined;
}

export interface Silence {
  /** Time of the last event before it. */
  readonly sinceMs: number;
  readonly thresholdMs: number;
  /** True once the alert event about its start was accepted or dead-lettered. */
  readonly isReported: boolean;
  /**
   * Time of the newest event in the first batch settled since that is not older than the threshold; undefined while the silence
   * lasts.
   */
  readonly endedByMs: number | undefined;
}

/**
 * The events of a workspace after another one was settled. An event ends a silence if it is newer than the last event before the
 * silence and not older than the threshold: a backfill or a late delivery brings older ones, after which the workspace is as
 * silent as before.
 */
export function withEvent(
  events: WorkspaceEvents | undefined,
  workspaceId: string | undefined,
  eventMs: number,
  nowMs: number,
): WorkspaceEvents {
  const { lastEventMs = eventMs, silence } = events ?? {};
  const ended = silence === undefined ? undefined : endedBy(eventMs, silence, nowMs);
  return { workspaceId, lastEventMs: Math.max(lastEventMs, eventMs), silence: ended };
}

/** If an event was settled after the caller had read the workspace, the silence ends at once. */
export function withSilence(
  events: WorkspaceEvents,
  sinceMs: number,
  thresholdMs: number,
  nowMs: number,
): WorkspaceEvents {
  const begun = { sinceMs, thresholdMs, isReported: false, endedByMs: undefined };
  return { ...events, silence: endedBy(events.lastEventMs, begun, nowMs) };
}

function endedBy(eventMs: number, silence: Silence, nowMs: number): Silence {
  const isSignOfLife = eventMs > silence.sinceMs && eventMs > nowMs - silence.thresholdMs;
  return { ...silence, endedByMs: silence.endedByMs ?? (isSignOfLife ? eventMs : undefined) };
}

export interface SilenceState {
  /** Every workspace that has a settled event. */
  workspaces(): Promise<readonly WorkspaceEvents[]>;
  beginSilence(
    workspaceId: string | undefined,
    sinceMs: number,
    thresholdMs: number,
    signal: AbortSignal,
  ): Promise<void>;
  silenceReported(workspaceId: string | undefined, signal: AbortSignal): Promise<void>;
  endSilence(workspaceId: string | undefined, signal: AbortSignal): Promise<void>;
}
