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

/** `HTTP 400` or `gRPC INVALID_ARGUMENT`. */
export function responseCodeText({ protocol, code }: ResponseCode): string {
  return protocol === 'http' ? `HTTP ${code}` : `gRPC ${grpcStatusName(code) ?? code}`;
}
