/**
 * A web server on a loopback port that lists the files of a folder in `index.json`, as docs/library.md describes it.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { globSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** @returns its URL, with a slash at the end. */
export async function serveWithIndex(directory: string): Promise<string> {
  const etagOf = (path: string) =>
    createHash('md5')
      .update(readFileSync(join(directory, path)))
      .digest('hex');
  const files = () => globSync('**/*.{json,gz}', { cwd: directory });
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').slice(1));
    if (path === 'index.json') {
      const entries = files().map((file) => {
        const { size, mtimeMs } = statSync(join(directory, file));
        return { path: file, etag: etagOf(file), sizeBytes: size, modifiedAtMs: Math.floor(mtimeMs) };
      });
      response.end(JSON.stringify(entries));
    } else if (!files().includes(path)) response.writeHead(404).end();
    else if (request.headers['if-match'] !== etagOf(path)) response.writeHead(412).end();
    else response.end(readFileSync(join(directory, path)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`;
}
