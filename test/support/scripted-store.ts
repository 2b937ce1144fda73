/**
 * A connection to the model store on which single calls fail, by the name of the method.
 */
import { AgentError } from '../../src/model/agent-error.ts';
import { ModelStore } from './model-store.ts';

/** `before`: the call has no effect. `after`: it has, and its answer is lost. `repeated`: the client repeats it by itself. */
export type CallFault = 'before' | 'after' | 'repeated';

type Method = 'read' | 'compareAndSet' | 'putBatchItem' | 'registers' | 'batchItems' | 'readMany' | 'removeRegister';

export class ScriptedStore extends ModelStore {
  /** Asked at each call. */
  fault: (method: Method) => CallFault | undefined = () => undefined;
  /** Every call with its key, for tests of the order of writes. */
  readonly calls: string[] = [];

  override read(...call: Parameters<ModelStore['read']>): ReturnType<ModelStore['read']> {
    return this.#perform('read', call[0].partition, () => super.read(...call));
  }

  override readMany(...call: Parameters<ModelStore['readMany']>): ReturnType<ModelStore['readMany']> {
    return this.#perform('readMany', String(call[0].length), () => super.readMany(...call));
  }

  override compareAndSet(...call: Parameters<ModelStore['compareAndSet']>): ReturnType<ModelStore['compareAndSet']> {
    return this.#perform('compareAndSet', call[0].partition, () => super.compareAndSet(...call));
  }

  override putBatchItem(...call: Parameters<ModelStore['putBatchItem']>): ReturnType<ModelStore['putBatchItem']> {
    return this.#perform('putBatchItem', call[0].key.sort, () => super.putBatchItem(...call));
  }

  override async *registers(...call: Parameters<ModelStore['registers']>): ReturnType<ModelStore['registers']> {
    await this.#perform('registers', call[0], async () => {});
    yield* super.registers(...call);
  }

  override async *batchItems(...call: Parameters<ModelStore['batchItems']>): ReturnType<ModelStore['batchItems']> {
    await this.#perform('batchItems', call[0], async () => {});
    yield* super.batchItems(...call);
  }

  async #perform<Result>(method: Method, name: string, call: () => Promise<Result>): Promise<Result> {
    this.calls.push(`${method} ${name}`);
    const fault = this.fault(method);
    if (fault === 'before') throw unavailable();
    const result = await call();
    if (fault === 'after') throw unavailable();
    return fault === 'repeated' ? await call() : result;
  }
}

function unavailable(): AgentError {
  return new AgentError('ERR_STATE_UNAVAILABLE', 'The store is throttled', { hint: 'Wait.' });
}
