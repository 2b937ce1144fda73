/**
 * Which keys have values that must not leave: by the words in the key, however it is written, and by exact names within
 * one service. Words only, no regular expressions: a mapping file can be wrong, but it cannot hang the agent.
 */

export interface SensitiveKeyRules {
  /** Words in a row, such as `api key`. */
  readonly phrases: readonly string[];
  /** A key that ends with one of them is harmless: `token_id`. */
  readonly harmlessLastWords: readonly string[];
  readonly fields: readonly { readonly service: string; readonly keys: readonly string[] }[];
}

const cachedKeysMax = 4096;
const cachedKeyLengthMax = 128;
/** No key of a record is longer; what is, is looked at up to here, so that the work per key is bounded. */
const inspectedKeyLengthMax = 1024;

export class SensitiveKeys {
  readonly #rules: readonly PhraseRules[];
  readonly #keysOfService = new Map<string, Set<string>>();
  readonly #keysOfAnyService = new Set<string>();
  readonly #known = new Map<string, boolean>();

  /** @param rules one for each redaction class that is on. */
  constructor(rules: readonly SensitiveKeyRules[]) {
    this.#rules = rules.map(({ phrases, harmlessLastWords }) => ({
      phrases: phrases.map((phrase) => wordsOf(phrase).join('')),
      harmlessLastWords: new Set(harmlessLastWords),
    }));
    for (const { service, keys } of rules.flatMap(({ fields }) => fields)) {
      const ofService = this.#keysOfService.get(service) ?? new Set();
      this.#keysOfService.set(service, ofService);
      for (const key of keys) {
        ofService.add(key);
        this.#keysOfAnyService.add(key);
      }
    }
  }

  /** The exact names that are sensitive within the service; those of all services when it is not known. */
  namesIn(service: unknown): ReadonlySet<string> | undefined {
    return typeof service === 'string' ? this.#keysOfService.get(service) : this.#keysOfAnyService;
  }

  /** Services that have names of their own. */
  get services(): readonly string[] {
    return [...this.#keysOfService.keys()];
  }

  /** By its words; the same for every service. */
  matches(key: string): boolean {
    return this.#known.get(key) ?? this.#classify(key);
  }

  #classify(key: string): boolean {
    const words = wordsOf(key.slice(0, inspectedKeyLengthMax));
    const matches = this.#rules.some((rules) => matchesRules(words, rules));
    if (key.length > cachedKeyLengthMax) return matches;
    if (this.#known.size >= cachedKeysMax) this.#known.clear();
    this.#known.set(key, matches);
    return matches;
  }
}

interface PhraseRules {
  /** Without the spaces between the words. */
  readonly phrases: readonly string[];
  readonly harmlessLastWords: ReadonlySet<string>;
}

/** A phrase may begin within a word, because people write `dbpassword`, but ends with one. */
function matchesRules(words: readonly string[], rules: PhraseRules): boolean {
  if (rules.harmlessLastWords.has(words.at(-1) ?? '')) return false;
  let joined = '';
  for (const word of words) {
    joined += word;
    if (rules.phrases.some((phrase) => joined.endsWith(phrase))) return true;
  }
  return false;
}

/** `AWSSecretKey2`, `aws_secret-key.2` and `aws secret key 2` are the same four words. */
function wordsOf(key: string): string[] {
  return key
    .replaceAll(/([a-z])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$3 $2')
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== '');
}
