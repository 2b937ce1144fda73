/**
 * What goes wrong between the agent and a real PostgreSQL. What a store has to do is in test/contracts/shared-store.ts.
 */
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { isAgentError, messageOf } from '../../../src/model/agent-error.ts';
import { openStore, setUpStore } from '../../../src/sharing/engines.ts';
import type { SharedStore } from '../../../src/sharing/store.ts';
import type { CleanUp } from '../../support/temporary-directory.ts';
import { postgresLocation as locationOf, type Postgres, startPostgres } from './postgresql.ts';

const never = new AbortController().signal;
const key = { partition: 'o#s3://audit/a', sort: 'h' };
const certificate = (name: string) => fileURLToPath(new URL(`../../export/certificates/${name}`, import.meta.url));

async function openForTest(url: string): Promise<SharedStore> {
  const store = await openStore(locationOf(url));
  onTestFinished(() => store.close());
  return store;
}

const write = (store: SharedStore, revision: string, expected?: string) =>
  store.compareAndSet(key, expected, { revision, value: `value of ${revision}` }, never);

/** The error of a promise, as text with its hint and cause. */
async function failureOf(promise: Promise<unknown>): Promise<{ code: string; text: string }> {
  const error = await promise.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  if (!isAgentError(error)) throw error;
  return { code: error.code, text: `${error.message}\n${error.hint}\n${messageOf(error.cause)}` };
}

describe('on one server', () => {
  const actions: Parameters<CleanUp>[0][] = [];
  let postgres: Postgres;
  beforeAll(async () => {
    const access = ['host all audit 127.0.0.0/8 trust', 'host all all 127.0.0.0/8 scram-sha-256'];
    postgres = await startPostgres({ access, tls: true }, (action) => actions.push(action));
    await postgres.query("CREATE ROLE agent LOGIN PASSWORD 'sesame/open'");
  });
  afterAll(async () => {
    for (const action of actions.reverse()) await action();
  });
  const urlOf = (schema: string) => `${postgres.url}&schema=${schema}`;

  test('a state that does not exist is an error that says how to create it', async () => {
    const missing = await failureOf(openStore(locationOf(urlOf('nothing_here'))));
    expect(missing).toMatchObject({ code: 'ERR_STATE_NOT_FOUND', text: expect.stringContaining('state init') });
    const url = postgres.url.replace('/postgres?', '/no_such_database?');
    const { code, text } = await failureOf(openStore(locationOf(url)));
    expect(code).toBe('ERR_STATE_NOT_FOUND');
    expect(text).toContain('there is no database no_such_database');
  });

  test('many commands create the same schema at the same time', async () => {
    const url = urlOf('many');
    await Promise.all(Array.from({ length: 5 }, () => setUpStore(locationOf(url), never)));
    expect(await setUpStore(locationOf(url), never)).toMatchObject({ created: false });
    expect(await write(await openForTest(url), 'one')).toBe('written');
  });

  test('a schema in another format, or of somebody else, is refused', async () => {
    await setUpStore(locationOf(urlOf('newer')), never);
    await postgres.query('UPDATE newer.format SET version = 99');
    const newer = await failureOf(openStore(locationOf(urlOf('newer'))));
    expect(newer).toMatchObject({ code: 'ERR_STATE_FORMAT', text: expect.stringContaining('has format 99') });
    await postgres.query('CREATE SCHEMA foreign_one; CREATE TABLE foreign_one.format (name text)');
    for (const attempt of [openStore, (location: ReturnType<typeof locationOf>) => setUpStore(location, never)]) {
      expect(await failureOf(attempt(locationOf(urlOf('foreign_one'))))).toMatchObject({ code: 'ERR_STATE_FORMAT' });
    }
  });

  test('a database that cannot hold every name is refused', async () => {
    await postgres.query("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    const url = postgres.url.replace('/postgres?', '/latin?');
    const { code, text } = await failureOf(setUpStore(locationOf(url), never));
    expect(code).toBe('ERR_STATE_FORMAT');
    expect(text).toContain('LATIN1');
  });

  test('a wrong password is reported without it, and a missing permission by its name', async () => {
    await setUpStore(locationOf(urlOf('guarded')), never);
    const as = (password: string) => urlOf('guarded').replace('audit@', `agent:${encodeURIComponent(password)}@`);
    const wrong = await failureOf(openStore(locationOf(as('sesame/closed'))));
    expect(wrong).toMatchObject({ code: 'ERR_STATE_UNAVAILABLE', text: expect.stringContaining('password') });
    expect(wrong.text).not.toContain('sesame');
    const none = await failureOf(openStore(locationOf(urlOf('guarded').replace('audit@', 'agent@'))));
    expect(none).toMatchObject({ code: 'ERR_STATE_UNAVAILABLE', text: expect.stringContaining('none is set') });
    expect(none.text).toContain('Set PGPASSWORD');

    const denied = await failureOf(openStore(locationOf(as('sesame/open'))));
    expect(denied.text).toContain('permission denied for schema guarded');
    await postgres.query(
      'GRANT USAGE ON SCHEMA guarded TO agent; GRANT SELECT ON ALL TABLES IN SCHEMA guarded TO agent',
    );
    const store = await openForTest(as('sesame/open'));
    const noInsert = await failureOf(write(store, 'one'));
    expect(noInsert).toMatchObject({
      code: 'ERR_STATE_UNAVAILABLE',
      text: expect.stringContaining('insert a register'),
    });
    await postgres.query('GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA guarded TO agent');
    expect(await write(store, 'one')).toBe('written');
  });

  test('the statements of a hint can be run, whatever the names are', async () => {
    const agent = urlOf('granted').replace('audit@', 'An%20%22agent%22:sesame@');
    const own = agent.replace('/postgres?', '/an-audit%2F%22log%22?');
    /** Runs what comes up to the last semicolon. */
    const follow = async (hint: string, start: string, database?: string) => {
      expect(hint).toContain(start);
      await postgres.query(hint.slice(hint.indexOf(start), hint.lastIndexOf(';')), database);
    };
    await postgres.query(`CREATE ROLE "An ""agent""" LOGIN PASSWORD 'sesame'`);
    const missing = await failureOf(setUpStore(locationOf(own), never));
    expect(missing.code).toBe('ERR_STATE_NOT_FOUND');
    await follow(missing.text, 'CREATE DATABASE');
    const database = 'an-audit/"log"';

    await postgres.query('REVOKE CONNECT ON DATABASE "an-audit/""log""" FROM PUBLIC');
    const unconnected = await failureOf(setUpStore(locationOf(own), never));
    await follow(unconnected.text, 'GRANT CONNECT ON DATABASE');
    const uncreated = await failureOf(setUpStore(locationOf(own), never));
    await follow(uncreated.text, 'GRANT CREATE ON DATABASE', database);
    expect(await setUpStore(locationOf(own), never)).toMatchObject({ created: true });

    // An administrator may keep the right to create schemas.
    const prepared = own.replace(/schema=\w+/, 'schema=prepared');
    await postgres.query('REVOKE CREATE ON DATABASE "an-audit/""log""" FROM "An ""agent"""', database);
    await postgres.query('CREATE SCHEMA prepared', database);
    const unread = await failureOf(setUpStore(locationOf(prepared), never));
    await follow(unread.text, 'GRANT USAGE ON SCHEMA', database);
    const empty = await failureOf(setUpStore(locationOf(prepared), never));
    await follow(empty.text, 'GRANT USAGE, CREATE ON SCHEMA', database);
    expect(await setUpStore(locationOf(prepared), never)).toMatchObject({ created: true });
  });

  test('TLS verifies the server as the URL says', async () => {
    await setUpStore(locationOf(urlOf('secure')), never);
    const secure = (host: string, query: string) =>
      `postgres://audit@${host}:${postgres.port}/postgres?schema=secure${query}`;
    const root = `&sslrootcert=${certificate('ca.pem')}`;
    expect(await write(await openForTest(secure('127.0.0.1', root)), 'one')).toBe('written');
    expect(await write(await openForTest(secure('127.0.0.1', '&sslmode=require')), 'two', 'one')).toBe('written');
    const encrypted = await postgres.query('SELECT count(*)::int AS count FROM pg_stat_ssl WHERE ssl');
    expect(encrypted).toEqual([{ count: 2 }]);

    const untrusted = await failureOf(openStore(locationOf(secure('127.0.0.1', ''))));
    expect(untrusted).toMatchObject({ code: 'ERR_STATE_UNAVAILABLE', text: expect.stringContaining('is not trusted') });
    // The certificate is for another address.
    const otherName = await failureOf(openStore(locationOf(secure('127.0.0.2', root))));
    expect(otherName.text).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
    await openForTest(secure('127.0.0.2', `&sslmode=verify-ca${root}`));
  });

  test('expired batches are deleted, by the clock of the server', async () => {
    await setUpStore(locationOf(urlOf('expiring')), never);
    const store = await openForTest(urlOf('expiring'));
    const item = (sort: string, expiresAtMs: number | undefined) =>
      store.putBatchItem({ key: { partition: 'o#a', sort }, content: Uint8Array.of(1), expiresAtMs }, never);
    await item('b#0', Date.now() + 3_600_000);
    await item('b#1', undefined);
    await postgres.query(
      "INSERT INTO expiring.batch_item SELECT 'o#old', n::text, '', now() - interval '1 s' FROM generate_series(1, 2500) AS n",
    );
    // A process deletes when it starts to write, and from then on now and then.
    const later = await openForTest(urlOf('expiring'));
    await later.putBatchItem(
      { key: { partition: 'o#b', sort: 'b#0' }, content: Uint8Array.of(1), expiresAtMs: undefined },
      never,
    );
    const rows = () => postgres.query('SELECT sort FROM expiring.batch_item ORDER BY partition, sort');
    await expect.poll(rows).toEqual([{ sort: 'b#0' }, { sort: 'b#1' }, { sort: 'b#0' }]);
  });

  test('what was confirmed is durable even if the database is set up otherwise', async () => {
    await setUpStore(locationOf(urlOf('durable')), never);
    await postgres.query('ALTER DATABASE postgres SET synchronous_commit = off');
    onTestFinished(() => void postgres.query('ALTER DATABASE postgres RESET synchronous_commit'));
    const store = await openForTest(urlOf('durable'));
    await postgres.query(`
      CREATE FUNCTION durable.note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.value := current_setting('synchronous_commit'); RETURN NEW; END $$;
      CREATE TRIGGER note BEFORE INSERT ON durable.register FOR EACH ROW EXECUTE FUNCTION durable.note()`);
    await write(store, 'one');
    expect(await store.read(key, never)).toMatchObject({ value: 'on' });
  });

  test('a connection that ends in the middle of a write leaves the outcome unknown, and the store usable', async () => {
    await setUpStore(locationOf(urlOf('lossy')), never);
    const relay = await startRelay(postgres.port);
    const store = await openForTest(urlOf('lossy').replace(`:${postgres.port}/`, `:${relay.port}/`));
    await write(store, 'one');
    // The server gets the statement, and its answer gets lost.
    relay.loseAnswers();
    const lost = await failureOf(write(store, 'two', 'one'));
    expect(lost).toMatchObject({ code: 'ERR_STATE_UNAVAILABLE', text: expect.stringContaining('not reachable') });
    relay.heal();
    expect(await store.read(key, never)).toMatchObject({ revision: 'two' });
    expect(await write(store, 'two', 'one')).toBe('refused');
    expect(await write(store, 'three', 'two')).toBe('written');
  });
});

test('killed and started again, the server has what it confirmed, and the same store goes on', async () => {
  const postgres = await startPostgres();
  await setUpStore(locationOf(postgres.url), never);
  const store = await openForTest(postgres.url);
  let confirmed: string | undefined;
  for (let number = 0; number < 20; number++) {
    expect(await write(store, `revision ${number}`, confirmed)).toBe('written');
    confirmed = `revision ${number}`;
  }
  await postgres.kill();
  expect(await failureOf(store.read(key, never))).toMatchObject({ code: 'ERR_STATE_UNAVAILABLE' });
  await postgres.start();
  expect(await store.read(key, never)).toMatchObject({ revision: confirmed });
  expect(await write(store, 'after', confirmed)).toBe('written');
});

/** Forwards to the port; closes connections instead of forwarding answers while it loses them. */
async function startRelay(port: number) {
  let isLosing = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }
    client.pipe(upstream);
    upstream.on('data', (data) => {
      if (isLosing) client.destroy();
      else client.write(data);
    });
    upstream.on('end', () => client.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected an address with a port');
  return {
    port: address.port,
    loseAnswers: () => {
      isLosing = true;
    },
    heal: () => {
      isLosing = false;
    },
  };
}
