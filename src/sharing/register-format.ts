/**
 * The form of every register: JSON with a format number, so that an older replica leaves alone what a newer one wrote.
 */
import type { z } from 'zod';
import { AgentError, messageOf } from '../model/agent-error.ts';
import type { ItemKey } from './store.ts';

export const registerFormat = 1;

/**
 * @returns `newer` if the format is a newer one.
 * @throws AgentError ERR_STATE_FORMAT
 */
export function parseRegister<Value>(key: ItemKey, text: string, schema: z.ZodType<Value>): Value | 'newer' {
  try {
    const value: unknown = JSON.parse(text);
    const format = typeof value === 'object' && value !== null && 'format' in value ? Number(value.format) : Number.NaN;
    if (format > registerFormat) return 'newer';
    return schema.parse(value);
  } catch (error) {
    throw new AgentError(
      'ERR_STATE_FORMAT',
      `The shared state has an item that is not one of the agent: ${key.partition} ${key.sort} (${messageOf(error)})`,
      { cause: error, hint: 'Use a table or schema that only the agent writes to.' },
    );
  }
}
