/**
 * Prints the alerts it receives, one per line: a stand-in for your chat, ticket system or pager. It understands what Alertmanager
 * and Kibana's webhook connector send.
 *
 *     node examples/alert-receiver.ts [port]
 */
import { createServer, type IncomingMessage } from 'node:http';

interface Alert {
  readonly status?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

const port = Number(process.argv[2] ?? 8080);
const bodyBytesMax = 4 * 1024 * 1024;

const server = createServer((request, response) => {
  receive(request).then(
    () => response.writeHead(204).end(),
    (error: unknown) => response.writeHead(400).end(String(error)),
  );
});
server.listen(port, () => process.stdout.write(`Waiting for alerts on port ${port}\n`));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => server.close());

async function receive(request: IncomingMessage): Promise<void> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > bodyBytesMax) throw new Error(`expected at most ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  if (sizeBytes === 0) return; // A probe.
  const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
  for (const line of linesOf(body)) process.stdout.write(`${line}\n`);
}

function linesOf(body: unknown): string[] {
  const alerts = typeof body === 'object' && body !== null && 'alerts' in body ? body.alerts : undefined;
  return Array.isArray(alerts) ? alerts.map(lineOf) : [printable(JSON.stringify(body))];
}

function lineOf({ status = 'firing', labels = {}, annotations = {} }: Alert): string {
  return printable(
    `${status} ${labels.severity ?? '-'} ${labels.rule ?? labels.alertname ?? '-'} ${annotations.summary ?? ''}`,
  );
}

/** Audit logs contain names that attackers chose; their control characters must not reach the terminal. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '�');
}
