/**
 * The TLS options of a connection to PostgreSQL.
 */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { AgentError, messageOf } from '../../model/agent-error.ts';
import type { PostgresTls } from '../../model/postgres-url.ts';

/** @throws AgentError ERR_CONFIGURATION if a file cannot be read. */
export function tlsOptions({ mode, rootCertificate, certificate, key }: PostgresTls): ConnectionOptions | false {
  if (mode === 'disable') return false;
  return {
    ...(rootCertificate !== undefined && { ca: readPem('sslrootcert', rootCertificate) }),
    ...(certificate !== undefined && { cert: readPem('sslcert', certificate) }),
    ...(key !== undefined && { key: readPem('sslkey', key) }),
    // As in libpq, `require` verifies the certificate if it is given a root.
    rejectUnauthorized: mode !== 'require' || rootCertificate !== undefined,
    ...(mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
  };
}

function readPem(parameter: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new AgentError('ERR_CONFIGURATION', `DATABRICKS_AUDIT_STATE: ${parameter}: ${messageOf(cause)}`, { cause });
  }
}
