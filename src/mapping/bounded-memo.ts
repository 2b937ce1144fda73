/**
 * Remembers what was computed from a text: several attributes look at the same one, and so do the next records.
 */
const knownTextsMax = 4096;

export class BoundedMemo<Value> {
  readonly #compute: (text: string) => Value;
  readonly #known = new Map<string, { readonly value: Value }>();
  #lastText: string | undefined;
  #last: { readonly value: Value } | undefined;

  /** @param compute a pure function. */
  constructor(compute: (text: string) => Value) {
    this.#compute = compute;
  }

  /** @param text of bounded length, because it is kept. */
  of(text: string): Value {
    if (text === this.#lastText && this.#last !== undefined) return this.#last.value;
    this.#lastText = text;
    this.#last = this.#known.get(text) ?? this.#add(text);
    return this.#last.value;
  }

  #add(text: string): { readonly value: Value } {
    const entry = { value: this.#compute(text) };
    // Records can make up texts without end; starting over now and then costs less than keeping an order.
    if (this.#known.size >= knownTextsMax) this.#known.clear();
    this.#known.set(text, entry);
    return entry;
  }
}
