/**
 * The status code of a response, together with its protocol.
 */
export interface ResponseCode {
  readonly protocol: 'http' | 'grpc';
  /** An HTTP status (RFC 9110, section 15), or a gRPC status code (grpc.github.io/grpc/core/md_doc_statuscodes.html). */
  readonly code: number;
}

/** In the order of their codes. */
const grpcStatusNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

export type GrpcStatusName = (typeof grpcStatusNames)[number];

/** Undefined for a code that gRPC does not define. */
export function grpcStatusName(code: number): GrpcStatusName | undefined {
  return grpcStatusNames[code];
}

/** `INVALID_ARGUMENT` is 3; undefined for a name that gRPC does not define. */
export function grpcStatusCode(name: string): number | undefined {
  const names: readonly string[] = grpcStatusNames;
  return names.includes(name) ? names.indexOf(name) : undefined;
}

/** `400` or `INVALID_ARGUMENT`. */
export function responseCodeName({ protocol, code }: ResponseCode): string {
  return protocol === 'grpc' ? (grpcStatusName(code) ?? String(code)) : String(code);
}

/** `HTTP 400` or `gRPC INVALID_ARGUMENT`. */
export function responseCodeText(response: ResponseCode): string {
  return `${response.protocol === 'http' ? 'HTTP' : 'gRPC'} ${responseCodeName(response)}`;
}
