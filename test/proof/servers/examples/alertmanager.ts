/**
 * A real Alertmanager with the configuration of an example, and the receiver of its alerts.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { serverDirectory } from '../recipes.ts';
import { freePort, startServer } from '../server-process.ts';
import { configurationOf, mountedFile, rewritten, type Service } from './compose.ts';

/** examples/alert-receiver.ts as the compose file runs it. */
export async function startAlertReceiver(service: Service) {
  const [program, script = ''] = service.command ?? [];
  if (program !== 'node') throw new Error(`expected node, got ${program}`);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer({
    command: process.execPath,
    arguments: [mountedFile(service, script), String(port)],
    readyUrl: url,
  });
  return { url, output: () => server.output };
}

/** @returns its URL. */
export async function startExampleAlertmanager(service: Service, receiverUrl: string): Promise<string> {
  const port = await freePort();
  const configuration = rewritten(configurationOf(service), { 'http://alert-receiver:8080': receiverUrl });
  const directory = serverDirectory('alertmanager');
  execFileSync(join(directory, 'amtool'), ['check-config', configuration], { stdio: 'pipe' });
  const url = `http://127.0.0.1:${port}`;
  await startServer({
    command: join(directory, 'alertmanager'),
    arguments: [
      `--config.file=${configuration}`,
      `--storage.path=${temporaryDirectory()}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
    ],
    readyUrl: `${url}/-/ready`,
  });
  return url;
}
