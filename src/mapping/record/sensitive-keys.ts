/**
 * Recognises keys whose values must not leave the process: by words in the key, in any notation, and by exact names within
 * one service. Words instead of regular expressions, because a mapping file must not be able to hang the agent.
 */

export interface SensitiveKeyRules {
  /** Consecutive words, such as `api key`. */
  readonly phrases: readonly string[];
  /** A key that ends with one of them is harmless: `token_id`. */
  readonly harmlessLastWords: readonly string[];
  readonly fields: readonly { readonly service: string; readonly keys: readonly string[] }[];
}

const cachedKeysMax = 4096;
const cachedKeyLengthMax = 128;
/** Bounds the work per key; no key of a real record is longer. */
const inspectedKeyLengthMax = 1024;

export class SensitiveKeys {
  readonly #rules: readonly PhraseRules[];
  readonly #keysOfService = new Map<string, Set<string>>();
  readonly #keysOfAnyService = new Set<string>();
  readonly #known = new Map<string, boolean>();

  /** @param rules one for each enabled redaction class. */
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

  /** The exact names that are sensitive within the service; those of all services if it is unknown. */
  namesIn(service: unknown): ReadonlySet<string> | undefined {
    return typeof service === 'string' ? this.#keysOfService.get(service) : this.#keysOfAnyService;
  }

  /** Services with exact names. */
  get services(): readonly string[] {
    return [...this.#keysOfService.keys()];
  }

  /** Whether the words of the key are sensitive, for any service. */
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

/** A phrase may start within a word, as in `dbpassword`, but must end with one. */
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
