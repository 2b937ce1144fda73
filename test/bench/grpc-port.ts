/**
 * The port for gRPC of the benchmark's receiver: takes everything and hands the messages to be counted.
 */
import { Server, ServerCredentials } from '@grpc/grpc-js';

const path = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
const asItIs = (bytes: Buffer) => bytes;
const service = {
  export: {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  },
};

/**
 * Returns the URL for OTEL_EXPORTER_OTLP_ENDPOINT.
 * @param count gets each ExportLogsServiceRequest, decompressed.
 */
export async function openGrpcPort(count: (message: Buffer) => void): Promise<string> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  server.addService(service, {
    export: ({ request }: { request: Buffer }, answer: (error: null, response: Buffer) => void) => {
      answer(null, Buffer.alloc(0));
      count(request);
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return `http://127.0.0.1:${port}`;
}
