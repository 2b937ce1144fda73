/**
 * The health check of the container, where there is neither a shell nor curl: exit code 0 when the agent answers on
 * `/livez`. A program of its own and not a command, because it runs again and again and has to load next to nothing.
 */
import { get } from 'node:http';

const answerTimeoutMs = 5_000;
const address = process.env.DATABRICKS_AUDIT_HTTP || '127.0.0.1:9464';

if (address !== 'off') {
  const request = get(`http://${address}/livez`, { signal: AbortSignal.timeout(answerTimeoutMs) }, (response) => {
    response.resume();
    process.exitCode = response.statusCode === 200 ? 0 : 1;
  });
  request.on('error', ({ message }) => {
    process.stderr.write(`http://${address}/livez: ${message}\n`);
    process.exitCode = 1;
  });
}
