/**
 * What is said about errors of PostgreSQL. The real ones are in test/proof/servers/postgresql.test.ts.
 */
import { expect, test } from 'vitest';
import { parsePostgresUrl } from '../../src/model/postgres-url.ts';
import { describePostgresError } from '../../src/sharing/postgres/errors.ts';

/** What an operator reads. */
function described(error: Error, { action = 'read the format', url = 'postgres://agent@host/audit' } = {}): string {
  const parsed = parsePostgresUrl(url);
  if ('problem' in parsed) throw new Error(parsed.problem);
  const { message, hint } = describePostgresError(error, action, parsed.value);
  return `${message}\n${hint}`;
}

const failure = (code: string, fields: object = {}) => Object.assign(new Error('refused'), { code, ...fields });

test('without a password, the variable that is missing is named', () => {
  const text = described(new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'));
  expect(text).toContain('the server asks for a password, and none is set');
  expect(text).toContain('PGPASSWORD');
  expect(text).not.toMatch(/not reachable|SASL/);
});

const onSchema = 'SCHEMA databricks_audit TO "agent";';

test.each([
  ['connect', { routine: 'CheckMyDatabase' }, 'GRANT CONNECT ON DATABASE "audit" TO "agent";'],
  ['create the schema', {}, 'GRANT CREATE ON DATABASE "audit" TO "agent";'],
  ['create the tables', {}, `GRANT USAGE, CREATE ON ${onSchema}`],
  [
    'read a register',
    {},
    `GRANT USAGE ON ${onSchema} GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN ${onSchema}`,
  ],
])('a right that is missing is granted to the role by what was tried: %s', (action, fields, grants) => {
  expect(described(failure('42501', fields), { action })).toContain(grants);
});

test('names in statements are quoted, and a role that the URL does not name is left to be filled in', () => {
  const missing = described(failure('3D000'), { url: 'postgres://host/my-%22audit%22' });
  expect(missing).toContain(`CREATE DATABASE "my-""audit""" ENCODING 'UTF8' TEMPLATE template0;`);
  expect(described(failure('42501'), { url: 'postgres://host/audit' })).toContain('TO <role>;');
});

test.each(['28P01', '25006', '53100', '53300', 'XX000', 'ECONNREFUSED'])(
  'what is said about %s is true for commands, too, which do not try again',
  (code) => {
    expect(described(failure(code))).toContain('A running agent tries again.');
  },
);
