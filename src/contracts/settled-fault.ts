/**
 * Contract: what was wrong with a version that is settled. It is kept until another version is settled.
 */
import { z } from 'zod';
import type { ErrorCode } from '../model/agent-error.ts';

export interface SettledFault {
  /** `damaged`: it could not be read to its end. `settled`: all of it was shipped, but not as records of audit events. */
  readonly status: 'damaged' | 'settled';
  readonly code: ErrorCode;
  readonly message: string;
}

/** As it is stored. A newer version of the agent may know more codes. */
export const settledFaultSchema = z.object({
  status: z.enum(['damaged', 'settled']),
  code: z.string().transform((code) => code as ErrorCode),
  message: z.string(),
});
