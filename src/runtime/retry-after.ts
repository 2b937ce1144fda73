/**
 * The wait that a `Retry-After` header asks for: seconds or an HTTP date (RFC 9110, section 10.2.3), never negative. Undefined if the header
 * is missing or invalid. Callers bound it: a wrong date can be years away.
 */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const waitMs = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs);
}
