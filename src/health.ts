/**
 * Health check for the container image, which has neither a shell nor curl: exits with 0 if the agent's `/livez` returns 200. A separate
 * program rather than a command, because it runs every few seconds and must load almost nothing.
 */
import { get } from 'node:http';

const requestTimeoutMs = 5_000;
const address = process.env.DATABRICKS_AUDIT_HTTP || '127.0.0.1:9464';

if (address !== 'off') {
  const request = get(`http://${address}/livez`, { signal: AbortSignal.timeout(requestTimeoutMs) }, (response) => {
    response.resume();
    process.exitCode = response.statusCode === 200 ? 0 : 1;
  });
  request.on('error', ({ message }) => {
    process.stderr.write(`http://${address}/livez: ${message}\n`);
    process.exitCode = 1;
  });
}
