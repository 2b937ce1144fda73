/**
 * The parameters of a source URL: those of every kind (how often to list the source, and how to map its lines), and those of its own kind.
 */
import { printable } from '../runtime/printable.ts';
import { bad, duration, good, type Parsed } from '../runtime/variable.ts';

export interface SourceParameters {
  /** `?poll=`; undefined for `DATABRICKS_AUDIT_POLL_INTERVAL`, or the default of the kind. */
  readonly pollIntervalMs?: number | undefined;
  /** `?mapping=`: layers, joined by commas; undefined for `DATABRICKS_AUDIT_MAPPING`. */
  readonly mapping?: string | undefined;
}

export const pollIntervalMinMs = 1000;

const parsePoll = duration(pollIntervalMinMs, '60s');
const common = ['mapping', 'poll'];

/** The values of parameters that only one kind of source takes, by name. */
export type OwnParameters = ReadonlyMap<string, string>;

/**
 * @param query without the question mark. A comma in a value is written as `%2C`, because commas separate sources.
 * @param ownNames the parameters of the kind.
 */
export function parseSourceParameters(
  query: string,
  ownNames: readonly string[] = [],
): Parsed<{ readonly common: SourceParameters; readonly own: OwnParameters }> {
  const known = [...common, ...ownNames].sort();
  // Keep plus signs, which URLSearchParams decodes as spaces: the path of a mapping file may contain one.
  const parameters = new URLSearchParams(query.replaceAll('+', '%2B'));
  const problems: string[] = [];
  const unknown = [...parameters.keys()].filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    problems.push(
      `expected no parameters but ${listed(known)} after the question mark, not ${printable(unknown.join(', '), 100)}${unsupportedHint(unknown)}`,
    );
  }
  const repeated = known.filter((name) => parameters.getAll(name).length > 1);
  if (repeated.length > 0) problems.push(`expected each parameter once: ${repeated.join(', ')}`);
  const [poll, mapping] = [parameters.get('poll'), parameters.get('mapping')];
  const parsedPoll = poll === null ? good(undefined) : parsePoll(poll);
  if ('problem' in parsedPoll) problems.push(`poll: ${parsedPoll.problem}`);
  if (mapping?.split(',').some((layer) => layer.trim() === '' || layer.includes('://'))) {
    problems.push('mapping: expected names or paths of mapping layers, separated by %2C');
  }
  if (problems.length > 0 || 'problem' in parsedPoll) return bad(problems.join('; '));
  const own = ownNames.flatMap((name) => {
    const value = parameters.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  return good({
    common: { pollIntervalMs: parsedPoll.value, mapping: mapping ?? undefined },
    own: new Map(own),
  });
}

const listed = (names: readonly string[]) => new Intl.ListFormat('en', { style: 'long' }).format(names);

function unsupportedHint(unknown: readonly string[]): string {
  if (unknown.includes('sig')) return ' (a shared access signature belongs into AZURE_STORAGE_SAS_TOKEN)';
  if (unknown.some((name) => /payer|requester/i.test(name))) return ' (Requester Pays buckets are not supported)';
  return unknown.some((name) => /sse|customer/i.test(name)) ? ' (encryption with SSE-C is not supported)' : '';
}
