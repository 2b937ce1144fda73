/**
 * The transport for the configured protocol. gRPC is loaded with the first request that needs it.
 */
import { readCertificates } from './certificates.ts';
import { createHttpTransport } from './http-transport.ts';
import type { OtlpOptions } from './options.ts';
import type { OtlpTransport } from './otlp-transport.ts';

/** Throws ERR_CONFIGURATION if a certificate or key cannot be used. */
export function createTransport(options: OtlpOptions): OtlpTransport {
  return options.protocol === 'grpc' ? grpcOnDemand(options) : createHttpTransport(options);
}

function grpcOnDemand(options: OtlpOptions): OtlpTransport {
  readCertificates(options);
  let loaded: Promise<OtlpTransport> | undefined;
  const load = async () => {
    const { createGrpcTransport } = await import('./grpc-transport.ts');
    return createGrpcTransport(options);
  };
  return {
    async exchange(request, signal) {
      // A certificate that is half written fails this attempt, and is read again at the next one.
      loaded ??= load().catch((error) => {
        loaded = undefined;
        throw error;
      });
      const transport = await loaded;
      return await transport.exchange(request, signal);
    },
    async close() {
      await (await loaded?.catch(() => undefined))?.close();
    },
  };
}
