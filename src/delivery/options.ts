/**
 * Options for the delivery state.
 */
import { parsePostgresUrl } from '../model/postgres-url.ts';
import type { StateLocation } from '../model/state-location.ts';
import { bad, good, type Parsed, variable } from '../runtime/variable.ts';

export const deliveryOptions = {
  DATABRICKS_AUDIT_STATE: variable(parseStateLocation)
    .transform((value): StateLocation => value ?? { kind: 'directory', path: './state' })
    .describe(
      'Directory of the embedded state database. Keep it across restarts: if it is lost, everything is shipped again. Or a state that several replicas share ([replicas.md](replicas.md)): `dynamodb://<table>`, or `postgres://user:password@host/database`. Default `./state`.',
    ),
};

/** Names of DynamoDB tables have 3 to 255 of these characters. */
const tableName = /^[A-Za-z0-9_.-]{3,255}$/;

/** As the name of a directory it would be a mistake, and show a password. */
const withoutSlashes = /^(dynamodb|postgres|postgresql|s3|file):(?!\/\/)/i;

export function parseStateLocation(text: string): Parsed<StateLocation> {
  // In a container, a directory with this name would be lost with it.
  if (/^arn:/i.test(text))
    return bad(`expected a directory, dynamodb:// or postgres:// instead of an ARN${arnHint(text)}`);
  if (withoutSlashes.test(text)) return bad('expected a directory, or dynamodb:// or postgres:// with two slashes');
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  switch (scheme) {
    case undefined:
      return good({ kind: 'directory', path: text });
    case 'dynamodb': {
      const table = text.slice('dynamodb://'.length);
      return tableName.test(table)
        ? good({ kind: 'dynamodb', table })
        : bad(
            'expected dynamodb:// and the name of a table, 3 to 255 letters, digits, dots, hyphens and underscores, and nothing else',
          );
    }
    case 'postgres':
    case 'postgresql':
      return parsePostgresUrl(text);
    default:
      return bad('expected a directory, dynamodb:// or postgres://');
  }
}

function arnHint(arn: string): string {
  const table = /^arn:[^:]*:dynamodb:[^:]*:\d*:table\/([A-Za-z0-9_.-]+)$/i.exec(arn)?.[1];
  return table === undefined ? '' : ` (use dynamodb://${table})`;
}
