/**
 * When each workspace had its last event, and whether it is silent: a register for each.
 */
import { z } from 'zod';
import { type WorkspaceEvents, withEvent, withSilence } from '../contracts/silence-state.ts';
import type { PatientStore } from './patient-store.ts';
import { parseRegister, registerFormat } from './register-format.ts';
import type { ItemKey, Register } from './store.ts';

const partition = 'workspaces';

const workspaceSchema = z.object({
  workspaceId: z.string().optional(),
  lastEventMs: z.number(),
  silence: z
    .object({
      sinceMs: z.number(),
      thresholdMs: z.number(),
      isReported: z.boolean(),
      endedByMs: z.number().optional(),
    })
    .optional(),
});

export class Workspaces {
  readonly #store: PatientStore;
  readonly #nowMs: () => number;
  /** The newest event that the register is known to have. An older one changes nothing. */
  readonly #newest = new Map<string | undefined, number>();

  constructor(store: PatientStore, nowMs: () => number) {
    this.#store = store;
    this.#nowMs = nowMs;
  }

  async all(signal: AbortSignal): Promise<readonly WorkspaceEvents[]> {
    const entries = await this.#store.registers(partition, signal);
    return entries.flatMap((entry) => parse(entry.key, entry) ?? []);
  }

  async recordEvent(workspaceId: string | undefined, eventMs: number, signal: AbortSignal): Promise<void> {
    if (eventMs <= (this.#newest.get(workspaceId) ?? Number.NEGATIVE_INFINITY)) return;
    let newest = eventMs;
    await this.#store.update(
      keyOf(workspaceId),
      (found) => {
        const before = found && parse(keyOf(workspaceId), found);
        if (found !== undefined && before === undefined) return undefined; // A newer version looks after it.
        const after = withEvent(before, workspaceId, eventMs, this.#nowMs());
        newest = after.lastEventMs;
        return textIfChanged(before, after);
      },
      signal,
    );
    this.#newest.set(workspaceId, newest);
  }

  async beginSilence(
    workspaceId: string | undefined,
    sinceMs: number,
    thresholdMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#change(workspaceId, (events) => withSilence(events, sinceMs, thresholdMs, this.#nowMs()), signal);
  }

  async silenceReported(workspaceId: string | undefined, signal: AbortSignal): Promise<void> {
    const reported = ({ silence, ...events }: WorkspaceEvents) => ({
      ...events,
      silence: silence && { ...silence, isReported: true },
    });
    await this.#change(workspaceId, reported, signal);
  }

  async endSilence(workspaceId: string | undefined, signal: AbortSignal): Promise<void> {
    await this.#change(workspaceId, (events) => ({ ...events, silence: undefined }), signal);
  }

  /** For a copy of a state. Replaces what an interrupted copy has left. */
  async write(events: WorkspaceEvents, signal: AbortSignal): Promise<void> {
    await this.#store.update(keyOf(events.workspaceId), () => toText(events), signal);
  }

  async #change(
    workspaceId: string | undefined,
    change: (events: WorkspaceEvents) => WorkspaceEvents,
    signal: AbortSignal,
  ): Promise<void> {
    const apply = (found: Register | undefined) => {
      const before = found && parse(keyOf(workspaceId), found);
      return before && textIfChanged(before, change(before));
    };
    await this.#store.update(keyOf(workspaceId), apply, signal);
  }
}

function textIfChanged(before: WorkspaceEvents | undefined, after: WorkspaceEvents): string | undefined {
  const text = toText(after);
  return before !== undefined && toText(before) === text ? undefined : text;
}

function toText({ workspaceId, lastEventMs, silence }: WorkspaceEvents): string {
  return JSON.stringify({ format: registerFormat, workspaceId, lastEventMs, silence });
}

/** Undefined if a newer version of the agent wrote it. */
function parse(key: ItemKey, { value }: Register): WorkspaceEvents | undefined {
  const parsed = parseRegister(key, value, workspaceSchema);
  if (parsed === 'newer') return undefined;
  const { workspaceId, lastEventMs, silence } = parsed;
  return { workspaceId, lastEventMs, silence: silence && { ...silence, endedByMs: silence.endedByMs } };
}

/** Ids of workspaces are numbers; a tree without workspaces has one register of its own. */
function keyOf(workspaceId: string | undefined): ItemKey {
  return { partition, sort: workspaceId === undefined ? '-' : `id:${workspaceId}` };
}
