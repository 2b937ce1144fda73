/**
 * Google Cloud Storage for tests: as much of its JSON API as the agent uses. It needs no credentials.
 */
import {
  type Answer,
  type Failure,
  type ObjectMemory,
  type ObjectServer,
  type StoredObject,
  startObjectServer,
} from './object-server.ts';

export interface GcsServer extends ObjectServer {
  readonly environment: Readonly<Record<string, string>>;
}

export async function startGcsServer(): Promise<GcsServer> {
  const server = await startObjectServer((_, url, answer, store) => {
    const [, , , , bucket = '', , ...segments] = url.pathname.split('/').map(decodeURIComponent);
    if (!url.pathname.includes('/o')) return settingsOf(bucket, answer, store);
    if (segments.length === 0) return listObjects(bucket, url.searchParams, answer, store);
    readObject(bucket, segments.join('/'), url.searchParams, answer, store);
  }, describe);
  return Object.assign(server, { environment: { STORAGE_EMULATOR_HOST: server.url } });
}

const jsonType = { 'content-type': 'application/json', date: new Date().toUTCString() };

function describe({ status, code, message = 'injected' }: Failure): string {
  return JSON.stringify({ error: { code: status, message, errors: [{ message, domain: 'global', reason: code }] } });
}

function settingsOf(bucket: string, answer: Answer, store: ObjectMemory): void {
  if (!store.containers.has(bucket)) {
    answer.fail({ status: 404, code: 'notFound' });
    return;
  }
  answer.send(200, jsonType, JSON.stringify({ kind: 'storage#bucket', name: bucket }));
}

function listObjects(bucket: string, query: URLSearchParams, answer: Answer, store: ObjectMemory): void {
  const from = query.get('pageToken') ?? query.get('startOffset') ?? '';
  const max = Number(query.get('maxResults') ?? 1_000);
  const page = store.list(bucket, query.get('prefix') ?? '', query.get('delimiter') ?? '', from, max);
  if (page === undefined) {
    answer.fail({ status: 404, code: 'notFound' });
    return;
  }
  const items = page.keys.flatMap((name) => {
    const object = store.containers.get(bucket)?.get(name);
    return object === undefined ? [] : [resourceOf(name, object)];
  });
  const document = { kind: 'storage#objects', items, prefixes: page.folders, nextPageToken: page.next };
  answer.send(200, jsonType, JSON.stringify(document));
}

function resourceOf(name: string, { version, body, modifiedAtMs }: StoredObject) {
  const timeCreated = new Date(modifiedAtMs).toISOString();
  return { kind: 'storage#object', name, generation: String(version), size: String(body.length), timeCreated };
}

function readObject(bucket: string, name: string, query: URLSearchParams, answer: Answer, store: ObjectMemory): void {
  const object = store.containers.get(bucket)?.get(name);
  const generation = query.get('generation');
  if (object === undefined || (generation !== null && generation !== String(object.version))) {
    answer.fail({ status: 404, code: 'notFound', message: `No such object: ${bucket}/${name}` });
    return;
  }
  if (query.get('alt') === 'media') answer.send(200, { 'content-type': 'application/json' }, object.body);
  else answer.send(200, jsonType, JSON.stringify(resourceOf(name, object)));
}
