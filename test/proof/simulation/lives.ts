/**
 * The processes of a history, one at a time: started, stopped, killed, hit by a power loss, started again.
 */
import type { Agent } from '../../../src/agent/agent.ts';
import { isAgentError, messageOf } from '../../../src/model/agent-error.ts';
import { type CallKind, type Death, startMs } from './plan.ts';
import { createSimulatedAgent, type Models } from './simulated-agent.ts';
import { type Life, newLife, type World } from './world.ts';

type Killing = Exclude<Death, { how: 'stop' }>;

/** What the next process finds on disk, and what happens to requests on the wire. */
interface Legacy {
  readonly how: 'kill' | 'powerLoss' | 'powerLossInCommit';
  readonly requestsArrive: boolean;
  readonly state: Killing['state'];
}

const cleanLegacy: Legacy = { how: 'kill', requestsArrive: false, state: 'kept' };
/** A supervisor restarts the agent after this time if it exits. */
const restartMs = 60_000;
const minuteMs = 60_000;
/** A commit that found the disk full is retried after at most this time (docs/disk-and-state.md). */
const stateRetryMs = 15_000;

export class Lives {
  readonly #models: Models;
  readonly #onSentAgain: (key: string) => void;
  #life: Life = { ...newLife(0), alive: false };
  #agent: Agent | undefined;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Deaths that wait for their moment. */
  #deaths: { readonly death: Killing; skip: number }[] = [];
  #noMoreDeaths = false;
  deathCount = 0;
  /** Batches that were in flight when their claim was taken over. */
  abandonedCount = 0;
  /** When the current process started. */
  upSinceMs = startMs;
  /** When the process after the last death starts, or has started. */
  startsAgainMs = startMs;

  constructor(models: Models, onSentAgain: (key: string) => void) {
    this.#models = models;
    this.#onSentAgain = onSentAgain;
  }

  get current(): Life {
    return this.#life;
  }

  get agent(): Agent | undefined {
    return this.#agent;
  }

  start(): void {
    const { world } = this.#models;
    const life = newLife(this.#life.number + 1);
    this.#life = life;
    this.#stop = new AbortController();
    this.upSinceMs = world.nowMs;
    world.note(`process ${life.number} starts`);
    this.#running = this.#run(life, this.#stop.signal);
  }

  async #run(life: Life, stop: AbortSignal): Promise<void> {
    try {
      const agent = await this.#createAgent(life, 'longRunning');
      if (!life.alive) return await agent.close(); // It died during startup.
      this.#agent = agent;
      await agent.run(stop);
    } catch (error) {
      if (life.alive && !stop.aborted) this.#ended(error);
    }
  }

  /** The process dies at the next moment of the given kind. */
  arm(death: Death): void {
    if (this.#noMoreDeaths) return;
    if (death.how === 'stop') void this.#stopGracefully(death.downMs);
    else this.#deaths.push({ death, skip: death.skip });
  }

  disarm(): void {
    this.#noMoreDeaths = true;
    this.#deaths = [];
  }

  /** A call is complete. @returns whether the process dies at this moment. */
  deathAt(kind: CallKind): ReturnType<World['onCallEnd']> {
    const life = this.#life;
    const death = life.alive ? this.#takeDeath((at) => at === 'any' || at === kind) : undefined;
    if (death === undefined) return undefined;
    return { microtasks: death.microtasks, kill: () => life.alive && this.#kill(death, death.how) };
  }

  /** The state wrote a transaction. A power loss hits it in the middle of that. */
  committed(): void {
    const { oracle } = this.#models;
    const death = this.#takeDeath((at) => at === 'commit');
    if (death?.how !== 'powerLoss') oracle.commitCount++;
    if (death !== undefined) this.#kill(death, death.how === 'powerLoss' ? 'powerLossInCommit' : 'kill');
  }

  /** Stops the last process gracefully, and starts one that ships once. */
  async endWithOneShot(runFor: (durationMs: number) => Promise<void>): Promise<{ readonly isComplete: boolean }> {
    this.#stop.abort(new Error('stopped'));
    await runFor(minuteMs);
    await this.#running;
    await this.#agent?.close();
    this.#life.alive = false;
    const life = newLife(this.#life.number + 1);
    this.#models.state.inherit(this.#life.number, life.number, 'kill');
    this.#life = life;
    const agent = await this.#createAgent(life, 'oneShot');
    const shipped = agent.shipOnce(new AbortController().signal);
    await runFor(10 * minuteMs);
    const isComplete = await shipped;
    await agent.close();
    return { isComplete };
  }

  async #createAgent(life: Life, mode: 'longRunning' | 'oneShot'): Promise<Agent> {
    return await createSimulatedAgent(this.#models, life, {
      mode,
      diesAtNextCommit: () => this.#deaths.some(({ death, skip }) => death.at === 'commit' && skip === 0),
      onAbandoned: () => this.abandonedCount++,
      onSentAgain: this.#onSentAgain,
    });
  }

  /** Counts the moment, and returns the first death that is due. */
  #takeDeath(isMoment: (at: Killing['at']) => boolean): Killing | undefined {
    const due = this.#deaths.filter(({ death }) => isMoment(death.at)).find((armed) => armed.skip-- === 0);
    if (due !== undefined) this.#deaths = this.#deaths.filter((armed) => armed !== due);
    return due?.death;
  }

  #kill(death: Killing, how: Legacy['how']): void {
    const { world, letters, state } = this.#models;
    const [life, agent] = [this.#life, this.#agent];
    this.deathCount++;
    world.note(`process ${life.number} dies: ${how} at ${death.at}`);
    this.#bury(life, death.downMs, { ...death, how });
    if (how !== 'kill') letters.losePower();
    this.#stop.abort(new Error('dead'));
    // What is left of the dead process no longer has an effect; its files are closed when it is idle.
    setImmediate(async () => {
      await agent?.close().catch(() => {});
      state.remove(life.number);
    });
  }

  async #stopGracefully(downMs: number): Promise<void> {
    const [life, agent] = [this.#life, this.#agent];
    if (!life.alive || agent === undefined || this.#stop.signal.aborted) return;
    this.deathCount++;
    this.#models.world.note('told to stop');
    this.#stop.abort(new Error('stopped'));
    await this.#running;
    await agent.close();
    if (life.alive) this.#bury(life, downMs, cleanLegacy); // It may have been killed while it was stopping.
  }

  /** The process could not start, or exited. */
  #ended(error: unknown): void {
    const [life, agent] = [this.#life, this.#agent];
    this.#models.world.note(`process ${life.number} ends: ${messageOf(error)}`);
    if (!isAgentError(error, 'ERR_STATE_WRITE', 'ERR_STATE_DAMAGED')) {
      this.#models.oracle.problems.push(`the agent threw: ${error instanceof Error ? error.stack : error}`);
    }
    void (async () => {
      await agent?.close();
      if (life.alive) this.#bury(life, restartMs, cleanLegacy);
    })();
  }

  #bury(life: Life, downMs: number, legacy: Legacy): void {
    const { world, state, collector, oracle, faults } = this.#models;
    life.alive = false;
    this.#models.contested?.die();
    state.inherit(life.number, life.number + 1, legacy.how);
    if (legacy.state !== 'kept') state.damage(life.number + 1, legacy.state);
    collector.senderDied(legacy.requestsArrive);
    const commitsWait = faults.diskWasFull('state', stateRetryMs);
    oracle.died(life.number, { stateIsLost: legacy.state !== 'kept', commitsWait });
    this.#agent = undefined;
    this.startsAgainMs = world.nowMs + downMs;
    world.at(this.startsAgainMs, () => this.start());
  }
}
