/**
 * Finds misspelled variables. Ignoring one would be dangerous: with `DATABRICKS_AUDIT_REDCAT`, secrets would be shipped.
 */
import { variables } from './variables.ts';

const prefix = 'DATABRICKS_AUDIT_';
const ownNames = Object.keys(variables);
/** A transposition counts as two. */
const typingErrorsMax = 2;

/**
 * One problem for each: every unknown name with our prefix, and every name that is nearly a known one. Values may be secrets.
 * @param serviceNames variables of the services in use, which are known as well.
 */
export function misspelledVariables(
  environment: Readonly<Record<string, string | undefined>>,
  serviceNames: readonly string[],
): string[] {
  const knownNames = [...ownNames, ...serviceNames];
  return Object.entries(environment).flatMap(([name, value]) => {
    if (knownNames.includes(name) || isServiceLink(name, value ?? '')) return [];
    const closest = closestName(normalized(name), knownNames);
    const isOurs = normalized(name).startsWith(prefix) || closest.distance <= typingErrorsMax;
    if (!isOurs) return [];
    return [`${name}: expected a known variable${closest.isPlausible ? `; did you mean ${closest.name}?` : ''}`];
  });
}

/**
 * What Kubernetes sets for a Service whose name begins with `databricks-audit`:
 * https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
function isServiceLink(name: string, value: string): boolean {
  if (/_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/.test(name)) return true;
  // By itself, _PORT could also be somebody's guess at a variable of ours.
  return (
    /_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) || (name.endsWith('_PORT') && /^\w+:\/\//.test(value))
  );
}

function normalized(name: string): string {
  return name.toUpperCase().replaceAll(/[-.]/g, '_');
}

function closestName(
  name: string,
  knownNames: readonly string[],
): {
  readonly name: string;
  readonly distance: number;
  readonly isPlausible: boolean;
} {
  const candidates = knownNames.map((known) => ({ name: known, distance: editDistance(name, known) }));
  const prefixed = knownNames.find((known) => name.length > prefix.length && known.startsWith(name));
  const nearest = candidates.reduce((best, each) => (each.distance < best.distance ? each : best));
  const distinctLength = nearest.name.replace(/^DATABRICKS_(AUDIT_)?/, '').length;
  if (nearest.distance <= Math.max(typingErrorsMax, distinctLength / 3)) return { ...nearest, isPlausible: true };
  return { ...nearest, name: prefixed ?? nearest.name, isPlausible: prefixed !== undefined };
}

/** Levenshtein distance: the number of characters to insert, remove or replace. */
function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [row, character] of [...one].entries()) {
    const current = [row + 1];
    for (const [column, otherCharacter] of [...other].entries()) {
      const replaced = (previous[column] ?? 0) + (character === otherCharacter ? 0 : 1);
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
