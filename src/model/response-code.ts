/**
 * The status code of a response, together with its protocol.
 */
export interface ResponseCode {
  readonly protocol: 'http' | 'grpc';
  /** An HTTP status (RFC 9110, section 15), or a gRPC status code (grpc.github.io/grpc/core/md_doc_statuscodes.html). */
  readonly code: number;
}

/** `HTTP 400` or `gRPC 3`. */
export function responseCodeText({ protocol, code }: ResponseCode): string {
  return `${protocol === 'http' ? 'HTTP' : 'gRPC'} ${code}`;
}
