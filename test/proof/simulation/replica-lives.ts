/**
 * The processes of one replica, one after the other: started, stopped, killed, started again.
 */
import type { Agent } from '../../../src/agent/agent.ts';
import { isAgentError, messageOf } from '../../../src/model/agent-error.ts';
import { type CallKind, type Death, startMs } from './plan.ts';
import type { Life, World } from './world.ts';

type Killing = Exclude<Death, { how: 'stop' }>;

export interface ReplicaWorld {
  readonly world: World;
  readonly problems: string[];
  /** Each process has a number of its own. */
  newLife(): Life;
  createAgent(life: Life, mode: 'longRunning' | 'oneShot'): Promise<Agent>;
  /** What it had sent may or may not arrive. */
  died(life: Life, requestsArrive: boolean): void;
}

/** A supervisor restarts the agent after this time if it exits. */
const restartMs = 60_000;

export class ReplicaLives {
  readonly #parts: ReplicaWorld;
  #life: Life | undefined;
  #agent: Agent | undefined;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #deaths: { readonly death: Killing; skip: number }[] = [];
  #noMoreDeaths = false;
  deathCount = 0;
  startsAgainMs = startMs;

  constructor(parts: ReplicaWorld) {
    this.#parts = parts;
  }

  get current(): Life | undefined {
    return this.#life;
  }

  get agent(): Agent | undefined {
    return this.#agent;
  }

  start(): void {
    const life = this.#parts.newLife();
    this.#life = life;
    this.#stop = new AbortController();
    this.#parts.world.note(`process ${life.number} starts`);
    this.#running = this.#run(life, this.#stop.signal);
  }

  arm(death: Death): void {
    if (this.#noMoreDeaths) return;
    if (death.how === 'stop') void this.#stopGracefully(death.downMs);
    else this.#deaths.push({ death, skip: death.skip });
  }

  /** As by SIGSTOP. */
  pause(forMs: number): void {
    const { world } = this.#parts;
    if (this.#noMoreDeaths || !this.#life?.alive) return;
    world.note(`process ${this.#life.number} is stopped for ${Math.round(forMs / 1000)} s`);
    this.#life.stoppedUntilMs = Math.max(this.#life.stoppedUntilMs, world.nowMs + forMs);
  }

  disarm(): void {
    this.#noMoreDeaths = true;
    this.#deaths = [];
  }

  deathAt(kind: CallKind, of: Life | undefined): ReturnType<World['onCallEnd']> {
    const life = this.#life;
    if (life === undefined || of !== life || !life.alive) return undefined;
    const due = this.#deaths
      .filter(({ death }) => death.at === 'any' || death.at === kind)
      .find((armed) => armed.skip-- === 0);
    if (due === undefined) return undefined;
    this.#deaths = this.#deaths.filter((armed) => armed !== due);
    return { microtasks: due.death.microtasks, kill: () => life.alive && this.#kill(due.death) };
  }

  /** Stops the process gracefully, for good. */
  async end(): Promise<void> {
    this.#stop.abort(new Error('stopped'));
    await this.#running;
    await this.#agent?.close();
    if (this.#life !== undefined) this.#life.alive = false;
  }

  async #run(life: Life, stop: AbortSignal): Promise<void> {
    try {
      const agent = await this.#parts.createAgent(life, 'longRunning');
      if (!life.alive) return await agent.close();
      this.#agent = agent;
      await agent.run(stop);
    } catch (error) {
      if (life.alive && !stop.aborted) this.#ended(error, life);
    }
  }

  #kill({ how, at, downMs, requestsArrive }: Killing): void {
    const [life, agent] = [this.#life, this.#agent];
    if (life === undefined) return;
    this.deathCount++;
    this.#parts.world.note(`process ${life.number} dies: ${how} at ${at}`);
    this.#bury(life, downMs, requestsArrive);
    this.#stop.abort(new Error('dead'));
    setImmediate(() => void agent?.close().catch(() => {}));
  }

  async #stopGracefully(downMs: number): Promise<void> {
    const [life, agent] = [this.#life, this.#agent];
    if (!life?.alive || agent === undefined || this.#stop.signal.aborted) return;
    this.deathCount++;
    const { world } = this.#parts;
    world.note(`process ${life.number} is told to stop`);
    this.startsAgainMs = world.nowMs + downMs;
    this.#stop.abort(new Error('stopped'));
    await this.#running;
    await agent.close();
    if (life.alive) this.#bury(life, downMs, false);
  }

  #ended(error: unknown, life: Life): void {
    const { world, problems } = this.#parts;
    world.note(`process ${life.number} ends: ${messageOf(error)}`);
    if (!isAgentError(error, 'ERR_STATE_UNAVAILABLE', 'ERR_REPLICA_REMOVED'))
      problems.push(`the agent threw: ${error instanceof Error ? error.stack : error}`);
    const agent = this.#agent;
    void (async () => {
      await agent?.close();
      if (life.alive) this.#bury(life, restartMs, false);
    })();
  }

  #bury(life: Life, downMs: number, requestsArrive: boolean): void {
    const { world, died } = this.#parts;
    life.alive = false;
    died(life, requestsArrive);
    this.#agent = undefined;
    this.startsAgainMs = world.nowMs + downMs;
    world.at(this.startsAgainMs, () => this.start());
  }
}
