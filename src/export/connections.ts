/**
 * The connections of a transport, opened with the certificates that are on disk now: cert-manager, SPIFFE and the like replace them at
 * run time. After a change, new connections are opened; requests in flight keep theirs.
 */
import { type Certificates, certificatesVersion, readCertificates } from './certificates.ts';
import type { OtlpOptions } from './options.ts';

export interface Closable {
  /** Resolves once the requests in flight have ended. */
  close(): Promise<void>;
  /** Aborts requests in flight. */
  destroy(): Promise<void>;
}

export class Connections<Connection extends Closable> {
  readonly #options: OtlpOptions;
  readonly #open: (certificates: Certificates) => Connection;
  #current: Connection;
  /** Of the files that the current connection was opened with. */
  #version: string;
  /** Replaced connections that still have requests in flight. */
  readonly #retired = new Set<Connection>();

  /** Throws ERR_CONFIGURATION if a certificate or key cannot be used. */
  constructor(options: OtlpOptions, open: (certificates: Certificates) => Connection) {
    this.#options = options;
    this.#open = open;
    this.#version = certificatesVersion(options);
    this.#current = open(readCertificates(options));
  }

  /** Throws ERR_CONFIGURATION if a changed certificate or key cannot be used, for example because it is half written. */
  current(): Connection {
    const version = certificatesVersion(this.#options);
    if (version !== this.#version) this.#replace(version);
    return this.#current;
  }

  /** Opens another connection for the next request, unless that has already been done. */
  discard(connection: Connection): void {
    if (connection === this.#current) this.#version = discarded;
  }

  /** Aborts requests in flight. */
  async destroy(): Promise<void> {
    await Promise.all([this.#current, ...this.#retired].map((connection) => connection.destroy()));
  }

  #replace(version: string): void {
    const renewed = this.#open(readCertificates(this.#options));
    const replaced = this.#current;
    this.#retired.add(replaced);
    const forget = () => void this.#retired.delete(replaced);
    replaced.close().then(forget, forget);
    this.#current = renewed;
    this.#version = version;
  }
}

/** The version of no file. */
const discarded = 'discarded';
