/**
 * The claim of a replay on an object with dead letters: an object next to it, created only if there is none, renewed while the replay
 * lasts, and taken over when it was not renewed for a minute by the clock of S3.
 */
import { randomUUID } from 'node:crypto';
import { AgentError, messageOf } from '../../model/agent-error.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type BucketClient, BucketFailure } from './bucket-client.ts';

const renewalIntervalMs = 20_000;
const claimAgeMaxMs = 60_000;

interface ClaimParts {
  /** What is claimed, for messages. */
  readonly path: string;
  readonly key: string;
  readonly owner: string;
  readonly client: BucketClient;
  readonly clock: Clock;
}

/** Keeps other replays away from an object until it is released or lost. */
export class ReplayClaim {
  readonly #parts: ClaimParts;
  readonly #lost = new AbortController();
  readonly #released = new AbortController();
  readonly #ended = AbortSignal.any([this.#lost.signal, this.#released.signal]);
  readonly #working: Promise<unknown>;
  #etag: string;
  /** When the last renewal that succeeded began. S3 wrote it later, so the claim lasts at least until it is too old by this time. */
  #renewedAtMs: number;
  /** Why the last renewal failed. */
  #failure: unknown;

  static async take(parts: Omit<ClaimParts, 'owner'>): Promise<ReplayClaim | undefined> {
    const claim = { ...parts, owner: randomUUID() };
    const takenAtMs = parts.clock.nowMs();
    const etag = (await claim.client.put(claim.key, `${claim.owner} 0`, { none: true })) ?? (await takeOver(claim));
    return etag === undefined ? undefined : new ReplayClaim(claim, etag, takenAtMs);
  }

  private constructor(parts: ClaimParts, etag: string, takenAtMs: number) {
    this.#parts = parts;
    this.#etag = etag;
    this.#renewedAtMs = takenAtMs;
    this.#working = Promise.all([this.#renew(), this.#expire()]);
  }

  /**
   * Aborts when nothing may be sent any more: another replay has taken over, or, with an AgentError as the reason, may do so because the
   * claim could not be renewed.
   */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Throws the reason of `lost`. A process that was suspended may come here before its timers. */
  confirm(): void {
    if (this.#leftMs() <= 0) this.#lapse();
    this.#lost.signal.throwIfAborted();
  }

  async release(): Promise<void> {
    this.#released.abort();
    await this.#working;
    if (this.#lost.signal.aborted) return;
    const { client, key, owner } = this.#parts;
    // Somebody may have taken it over since the last renewal. Releasing never fails a replay: the claim lapses.
    const found = await client.get(key).catch(() => undefined);
    if (found === undefined || !isOwnedBy(owner, found)) return;
    await client.deleteVersion(key, found.etag).catch(() => {});
  }

  async #renew(): Promise<void> {
    const { client, clock, key, owner } = this.#parts;
    for (let renewals = 1; await this.#sleep(renewalIntervalMs); renewals++) {
      const begunAtMs = clock.nowMs();
      try {
        // Another content each time, so that whoever takes over replaces exactly the version that has lapsed.
        const etag = await client.put(key, `${owner} ${renewals}`, { etag: this.#etag }, this.#lost.signal);
        if (etag === undefined) await this.#lookAgain();
        else {
          this.#etag = etag;
          this.#renewedAtMs = begunAtMs;
          this.#failure = undefined;
        }
      } catch (error) {
        // The next attempt is before the claim lapses, or shows who has it.
        this.#failure = error;
      }
    }
  }

  /** After a refused renewal. One whose answer was lost may have succeeded before, but when is not known: the next one counts. */
  async #lookAgain(): Promise<void> {
    const { client, key, owner } = this.#parts;
    const found = await client.get(key, this.#lost.signal);
    if (found !== undefined && isOwnedBy(owner, found)) this.#etag = found.etag;
    else this.#lost.abort(new Error('another replay has taken over'));
  }

  async #expire(): Promise<void> {
    while (this.#leftMs() > 0) if (!(await this.#sleep(this.#leftMs()))) return;
    this.#lapse();
  }

  #leftMs(): number {
    return this.#renewedAtMs + claimAgeMaxMs - this.#parts.clock.nowMs();
  }

  #lapse(): void {
    this.#lost.abort(lapsed(this.#parts.path, this.#failure));
  }

  /** Resolves to false as soon as the claim has ended. */
  async #sleep(delayMs: number): Promise<boolean> {
    return await this.#parts.clock.sleep(delayMs, this.#ended).then(
      () => true,
      () => false,
    );
  }
}

async function takeOver({ key, owner, client }: ClaimParts): Promise<string | undefined> {
  const found = await client.get(key);
  // The SDK repeats a request whose answer was lost, and its second attempt is refused because of the first.
  if (found !== undefined && isOwnedBy(owner, found)) return found.etag;
  if (found === undefined || !(found.ageMs > claimAgeMaxMs)) return undefined;
  return await client.put(key, `${owner} 0`, { etag: found.etag });
}

function isOwnedBy(owner: string, { text }: { readonly text: string }): boolean {
  return text.startsWith(`${owner} `);
}

function lapsed(path: string, failure: unknown): AgentError {
  const reason = failure === undefined ? '' : `: ${messageOf(failure)}`;
  const hint = failure instanceof BucketFailure ? failure.hint : 'Check the connection to the bucket.';
  return new AgentError(
    'ERR_DEAD_LETTER_READ',
    `Stopped the replay of ${path}, because its claim was not renewed for a minute and another replay may take over${reason}`,
    { cause: failure, hint: `${hint} Run replay again: it sends what is still there.` },
  );
}
