/**
 * The expected errors of the agent. Each says what was attempted, on what, why it failed (`cause`) and what to do (`hint`).
 */

/** All codes. docs/errors.md documents each one, and a test compares the two. Retired codes are never reused. */
export const errorCodes = [
  'ERR_CONFIGURATION',
  'ERR_MAPPING_FILE',
  'ERR_SOURCE_NOT_FOUND',
  'ERR_SOURCE_LAYOUT',
  'ERR_SOURCE_EMPTY',
  'ERR_SOURCE_NO_DELIVERIES',
  'ERR_SOURCE_ACCESS_DENIED',
  'ERR_SOURCE_CREDENTIALS',
  'ERR_SOURCE_THROTTLED',
  'ERR_SOURCE_READ',
  'ERR_QUEUE_READ',
  'ERR_QUEUE_MESSAGE',
  'ERR_OBJECT_CHANGED',
  'ERR_OBJECT_GONE',
  'ERR_OBJECT_DAMAGED',
  'ERR_OBJECT_FORMAT',
  'ERR_OBJECT_UNPARSED',
  'ERR_OBJECT_TOO_LARGE',
  'ERR_OBJECT_REWRITTEN_AFTER_LOOKBACK',
  'ERR_OBJECT_CRASHES',
  'ERR_STATE_NOT_FOUND',
  'ERR_STATE_LOCKED',
  'ERR_STATE_DAMAGED',
  'ERR_STATE_NEWER',
  'ERR_STATE_OLDER',
  'ERR_STATE_WRITE',
  'ERR_STATE_UNAVAILABLE',
  'ERR_STATE_FORMAT',
  'ERR_STATE_SOURCES',
  'ERR_STATE_EXISTS',
  'ERR_STATE_INCOMPLETE',
  'ERR_REPLICA_DIFFERS',
  'ERR_REPLICA_REMOVED',
  'ERR_EXPORT_REJECTED',
  'ERR_EXPORT_PARTIAL',
  'ERR_EXPORT_UNAVAILABLE',
  'ERR_EXPORT_MISCONFIGURED',
  'ERR_DEAD_LETTER_WRITE',
  'ERR_DEAD_LETTER_READ',
  'ERR_BACKEND_READ',
  'ERR_HTTP_LISTEN',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly code: ErrorCode;
  /** What the operator should do, in one sentence. */
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: { cause?: unknown; hint?: string | undefined } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }
}

/** True for an AgentError with one of the given codes, or with any code if none is given. */
export function isAgentError(error: unknown, ...codes: readonly ErrorCode[]): error is AgentError {
  return error instanceof AgentError && (codes.length === 0 || codes.includes(error.code));
}

const fatalCodes: ReadonlySet<ErrorCode> = new Set([
  'ERR_STATE_DAMAGED',
  'ERR_STATE_NOT_FOUND',
  'ERR_STATE_FORMAT',
  'ERR_STATE_NEWER',
  'ERR_REPLICA_REMOVED',
]);

/** True if the process cannot continue: the error is a bug, or the state cannot be used any more. */
export function isFatal(error: unknown): boolean {
  return !(error instanceof AgentError) || fatalCodes.has(error.code);
}

/** The hint, with the message of the cause if the hint refers to it, for where the cause is not shown otherwise. */
export function adviceOf({ hint, cause }: AgentError): string | undefined {
  const refersToCause = /\b(see the cause|the cause (names|tells|has))\b/i.test(hint ?? '');
  return refersToCause && cause !== undefined ? `${hint}\nCause: ${messageOf(cause)}` : hint;
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
