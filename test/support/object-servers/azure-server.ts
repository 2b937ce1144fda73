/**
 * Azure Blob Storage for tests: as much of its protocol as the agent uses. It does not verify signatures.
 */
import {
  type Answer,
  type Failure,
  type ObjectMemory,
  type ObjectServer,
  type StoredObject,
  startObjectServer,
} from './object-server.ts';

export interface AzureServer extends ObjectServer {
  readonly environment: Readonly<Record<string, string>>;
}

const account = 'devstoreaccount1';
const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export async function startAzureServer(): Promise<AzureServer> {
  const server = await startObjectServer((request, url, answer, store) => {
    const [, , container = '', ...segments] = url.pathname.split('/').map(decodeURIComponent);
    const query = url.searchParams;
    if (query.get('comp') === 'list' && container === '') return listContainers(query, answer, store);
    if (query.get('comp') === 'list') return listBlobs(container, query, answer, store);
    readBlob(container, segments.join('/'), request.headers, answer, store);
  }, describe);
  return Object.assign(server, {
    environment: {
      AZURE_STORAGE_CONNECTION_STRING: connectionString(server.url),
    },
  });
}

export function connectionString(url: string): string {
  return `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=${url}/${account};`;
}

function describe({ code, message = 'injected' }: Failure): string {
  return `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
}

function failed(status: number, code: string): Failure {
  return { status, code, headers: { 'x-ms-error-code': code, 'content-type': 'application/xml' } };
}

function listContainers(query: URLSearchParams, answer: Answer, store: ObjectMemory): void {
  const prefix = query.get('prefix') ?? '';
  const containers = [...store.containers.keys()].filter((name) => name.startsWith(prefix)).sort();
  const entries = containers.map(
    (name) =>
      `<Container><Name>${name}</Name><Properties><Last-Modified>${httpDate(0)}</Last-Modified><Etag>0x1</Etag></Properties></Container>`,
  );
  answer.send(
    200,
    xmlType,
    `<EnumerationResults ServiceEndpoint="http://x/"><Containers>${entries.join('')}</Containers><NextMarker/></EnumerationResults>`,
  );
}

const xmlType = { 'content-type': 'application/xml' };

function listBlobs(container: string, query: URLSearchParams, answer: Answer, store: ObjectMemory): void {
  const from = query.get('marker') || (query.get('startFrom') ?? '');
  const max = Number(query.get('maxresults') ?? 5_000);
  const page = store.list(container, query.get('prefix') ?? '', query.get('delimiter') ?? '', from, max);
  if (page === undefined) {
    answer.fail(failed(404, 'ContainerNotFound'));
    return;
  }
  const blobs = page.keys.map((name) => blobEntry(name, store.containers.get(container)?.get(name)));
  const folders = page.folders.map((name) => `<BlobPrefix><Name>${escaped(name)}</Name></BlobPrefix>`);
  answer.send(
    200,
    xmlType,
    `<EnumerationResults ServiceEndpoint="http://x/" ContainerName="${container}"><Blobs>${blobs.join('')}${folders.join('')}</Blobs><NextMarker>${escaped(page.next ?? '')}</NextMarker></EnumerationResults>`,
  );
}

function blobEntry(name: string, blob: StoredObject | undefined): string {
  if (blob === undefined) return '';
  const type = blob.isAppended ? 'AppendBlob' : 'BlockBlob';
  const metadata = blob.isFolder ? '<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>' : '<Metadata/>';
  return `<Blob><Name>${escaped(name)}</Name><Properties><Last-Modified>${httpDate(blob.modifiedAtMs)}</Last-Modified><Etag>${etagOf(blob)}</Etag><Content-Length>${blob.body.length}</Content-Length><BlobType>${type}</BlobType></Properties>${metadata}</Blob>`;
}

function readBlob(
  container: string,
  name: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  answer: Answer,
  store: ObjectMemory,
): void {
  const blob = store.containers.get(container)?.get(name);
  const condition = headers['if-match'];
  if (blob === undefined) {
    // As Azurite does: what does not exist does not match.
    answer.fail(condition === undefined ? failed(404, 'BlobNotFound') : failed(412, 'ConditionNotMet'));
    return;
  }
  if (typeof condition === 'string' && condition.replaceAll('"', '') !== etagOf(blob)) {
    answer.fail(failed(412, 'ConditionNotMet'));
    return;
  }
  const [, start = '0'] = /^bytes=(\d+)-/.exec(String(headers['x-ms-range'] ?? headers.range ?? '')) ?? [];
  const body = blob.body.subarray(Number(start));
  const more = {
    etag: `"${etagOf(blob)}"`,
    'last-modified': httpDate(blob.modifiedAtMs),
    'x-ms-blob-type': 'BlockBlob',
  };
  answer.send(Number(start) === 0 ? 200 : 206, more, body);
}

function etagOf({ version }: StoredObject): string {
  return `0x8DE${version}`;
}

function httpDate(timeMs: number): string {
  return new Date(timeMs).toUTCString();
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
