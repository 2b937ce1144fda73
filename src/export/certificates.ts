/**
 * The certificates and the key of the connections to the collector, read from their files.
 */
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { AgentError, messageOf } from '../model/agent-error.ts';
import type { NamedFile, OtlpOptions } from './options.ts';

/** As Node.js's TLS takes them. */
export interface Certificates {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Changes when one of the files changes. */
export function certificatesVersion({ caFile, clientCertificateFile, clientKeyFile }: OtlpOptions): string {
  return [caFile, clientCertificateFile, clientKeyFile].map(fileVersion).join();
}

/** Throws ERR_CONFIGURATION if a certificate or key cannot be used. */
export function readCertificates(options: OtlpOptions): Certificates {
  const { caFile, clientCertificateFile, clientKeyFile } = options;
  if ((clientCertificateFile === undefined) !== (clientKeyFile === undefined)) {
    const given = clientCertificateFile?.variable ?? clientKeyFile?.variable;
    throw new AgentError('ERR_CONFIGURATION', `${given} is set without its counterpart`, {
      hint: 'A client certificate needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY.',
    });
  }
  const ca = readPem(caFile, (pem) => createSecureContext({ ca: pem }));
  const cert = readPem(clientCertificateFile, (pem) => createSecureContext({ cert: pem }));
  const key = readPem(clientKeyFile, (pem) =>
    createSecureContext({ key: pem, ...(cert === undefined ? {} : { cert }) }),
  );
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function fileVersion(file: NamedFile | undefined): string {
  if (file === undefined) return '';
  try {
    const { dev, ino, size, mtimeNs } = statSync(file.path, { bigint: true });
    return [dev, ino, size, mtimeNs].join('-');
  } catch {
    return 'none'; // Reading the file reports the reason.
  }
}

function readPem(file: NamedFile | undefined, check: (pem: Buffer) => void): Buffer | undefined {
  if (file === undefined) return undefined;
  try {
    const pem = readFileSync(file.path);
    // OpenSSL accepts a file without any PEM block as an empty list of CAs.
    if (!pem.includes('-----BEGIN ')) throw new Error('it does not contain a PEM block');
    check(pem);
    return pem;
  } catch (cause) {
    throw new AgentError('ERR_CONFIGURATION', `${file.variable}: cannot use ${file.path}: ${messageOf(cause)}`, {
      cause,
      hint: 'It must be a readable file in PEM format, and a client key must belong to the client certificate.',
    });
  }
}
