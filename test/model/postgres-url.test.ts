import { expect, test } from 'vitest';
import { type PostgresLocation, parsePostgresUrl } from '../../src/model/postgres-url.ts';
import { tlsOptions } from '../../src/sharing/postgres/tls.ts';
import { fc } from '../support/property-tests.ts';

function readPostgresUrl(text: string): PostgresLocation {
  const parsed = parsePostgresUrl(text);
  if ('value' in parsed) return parsed.value;
  throw new Error(parsed.problem);
}

test('a URL names host, port, database, user, password and schema', () => {
  expect(readPostgresUrl('postgres://agent:p%40ss%2Fword@db.example.com:6432/audit?schema=state_2')).toMatchObject({
    host: 'db.example.com',
    port: 6432,
    database: 'audit',
    user: 'agent',
    password: 'p@ss/word',
    schema: 'state_2',
    name: 'postgres://db.example.com:6432/audit?schema=state_2',
  });
  expect(readPostgresUrl('postgresql://[2001:db8::1]/audit')).toMatchObject({
    host: '2001:db8::1',
    port: 5432,
    user: undefined,
    password: undefined,
    schema: 'databricks_audit',
    name: 'postgres://[2001:db8::1]:5432/audit',
  });
});

test('a database can have any name', () => {
  expect(readPostgresUrl('postgres://host/audit%2F1')).toMatchObject({ database: 'audit/1' });
});

test('the server is verified unless the URL says otherwise', () => {
  const optionsOf = (query: string) => tlsOptions(readPostgresUrl(`postgres://db.example.com/audit${query}`).tls);
  expect(optionsOf('')).toEqual({ rejectUnauthorized: true });
  expect(optionsOf('?sslmode=verify-full')).toEqual({ rejectUnauthorized: true });
  expect(optionsOf('?sslmode=require')).toMatchObject({ rejectUnauthorized: false });
  expect(optionsOf('?sslmode=disable')).toBe(false);
});

test.each([
  ['postgres://', 'expected a URL'],
  ['postgres:///audit', 'expected a URL'],
  ['postgres://host', 'expected a URL'],
  ['postgres://user:pass%zzword@host/audit', 'expected a URL'],
  ['postgres://user:p#ssword@host/audit', 'percent-encoded'],
  ['postgres://host/audit/', 'a slash in the name written as %2F'],
  ['postgres://host/audit/schema', 'a slash in the name written as %2F'],
  ['postgres://host/audit?sslmode=prefer', 'expected sslmode to be one of'],
  ['postgres://host/audit?sslmode=verify-ca', 'expected sslrootcert'],
  ['postgres://host/audit?sslcert=/a.pem', 'sslcert and sslkey together'],
  ['postgres://host/audit?schema=Robert%27);', 'expected schema'],
  ['postgres://host/audit?sslmode=require&sslmode=disable', 'each once'],
  ['postgres://host/audit?connect_timeout=10', 'expected no other parameters'],
])('%s is refused', (url, problem) => {
  const parsed = parsePostgresUrl(url);
  expect('problem' in parsed && parsed.problem).toContain(problem);
});

test('a certificate that cannot be read is a configuration error that names the parameter', () => {
  const { tls } = readPostgresUrl('postgres://host/audit?sslrootcert=/does/not/exist.pem');
  expect(() => tlsOptions(tls)).toThrow(/sslrootcert: ENOENT/);
});

test('neither a problem nor a name contains the password', () => {
  const password = fc.string({ minLength: 8 }).map((text) => `SECRET${text}`);
  const rest = fc.constantFrom('@host/audit', '@host', '@host/audit?sslmode=x', '/audit', '@:5/a', '@host:99999/audit');
  fc.assert(
    fc.property(password, fc.boolean(), rest, (secret, isEncoded, tail) => {
      const parsed = parsePostgresUrl(`postgres://user:${isEncoded ? encodeURIComponent(secret) : secret}${tail}`);
      const shown = 'value' in parsed ? parsed.value.name : parsed.problem;
      expect(shown).not.toContain('SECRET');
    }),
  );
});
