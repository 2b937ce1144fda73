/**
 * Keeps the names of a map apart where maps are flattened: Loki makes `a_b` of `a.b`, of `a-b` and of a `b` inside of `a`,
 * and keeps one of them.
 */
export class FlatNames {
  readonly #taken = new Set<string>();
  readonly #prefixes: string[] = [];

  clear(): void {
    this.#taken.clear();
    this.#prefixes.length = 0;
  }

  /** What follows, up to `leave`, is inside of this name. */
  enter(name: string): void {
    this.#prefixes.push(name);
  }

  leave(): void {
    this.#prefixes.pop();
  }

  /** The name, or with `_2`, `_3` ... at its end when one before it is the same when flattened. */
  distinct(name: string): string {
    let candidate = name;
    for (let number = 2; this.#taken.has(this.#flat(candidate)); number++) candidate = `${name}_${number}`;
    this.#taken.add(this.#flat(candidate));
    return candidate;
  }

  /** As Loki does (github.com/prometheus/otlptranslator, LabelNamer): runs of anything else become one `_`, also behind the map's own name. */
  #flat(name: string): string {
    return ['', ...this.#prefixes, name].join('_').replaceAll(/[^A-Za-z0-9]+/g, '_');
  }
}
