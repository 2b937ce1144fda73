/**
 * Reads `postgres://user@host:port/database?sslmode=...`. The parameters are libpq's, except that the server is verified unless the URL
 * says otherwise.
 */
import { bad, good, type Parsed } from '../runtime/variable.ts';

export interface PostgresLocation {
  readonly kind: 'postgres';
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string | undefined;
  /** Undefined: `PGPASSWORD`, or none. */
  readonly password: string | undefined;
  /** The schema that contains the tables of the state. */
  readonly schema: string;
  readonly tls: PostgresTls;
  /** For messages: without user, password and TLS parameters. */
  readonly name: string;
}

export interface PostgresTls {
  readonly mode: (typeof tlsModes)[number];
  /** Paths of PEM files. */
  readonly rootCertificate: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
}

/** `require` encrypts without verifying the server, `verify-ca` ignores its name. */
const tlsModes = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
const parameters = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'schema'] as const;
const schemaDefault = 'databricks_audit';
const portDefault = 5432;
const example = 'postgres://user@host:5432/database?sslmode=verify-full';

/** The problem never contains the text, which may contain a password. */
export function parsePostgresUrl(text: string): Parsed<PostgresLocation> {
  const url = URL.parse(text);
  const [user, password, database] = [url?.username, url?.password, url?.pathname.slice(1)].map(decoded);
  if (url === null || url.hostname === '' || user === undefined || password === undefined || !database) {
    return bad(`expected a URL such as ${example}, with special characters percent-encoded`);
  }
  // For libpq, it belongs to the name: `audit/` is another database than `audit`.
  if (url.pathname.includes('/', 1)) {
    return bad('expected nothing but the name of the database after the host, with a slash in the name written as %2F');
  }
  const names = [...url.searchParams.keys()];
  const unknown = names.filter((name) => !parameters.some((known) => known === name));
  if (unknown.length > 0 || new Set(names).size < names.length) {
    return bad(`expected no other parameters than ${parameters.join(', ')}, each once`);
  }
  const value = (name: (typeof parameters)[number]) => url.searchParams.get(name) || undefined;
  const mode = tlsModes.find((known) => known === (value('sslmode') ?? 'verify-full'));
  const [rootCertificate, certificate, key] = [value('sslrootcert'), value('sslcert'), value('sslkey')];
  const schema = value('schema') ?? schemaDefault;
  if (mode === undefined) return bad(`expected sslmode to be one of ${tlsModes.join(', ')}`);
  if (mode === 'verify-ca' && rootCertificate === undefined) {
    return bad('expected sslrootcert with sslmode=verify-ca, because anybody can have a certificate of a public CA');
  }
  if ((certificate === undefined) !== (key === undefined)) return bad('expected sslcert and sslkey together');
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) return bad('expected schema to be a name such as databricks_audit');
  const port = url.port === '' ? portDefault : Number(url.port);
  return good({
    kind: 'postgres',
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    database,
    user: user || undefined,
    password: password || undefined,
    schema,
    tls: { mode, rootCertificate, certificate, key },
    name: `postgres://${url.hostname}:${port}${url.pathname}${schema === schemaDefault ? '' : `?schema=${schema}`}`,
  });
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
