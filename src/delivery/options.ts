/**
 * Options for the delivery state.
 */
import { good, variable } from '../runtime/variable.ts';

export const deliveryOptions = {
  DATABRICKS_AUDIT_STATE: variable((text) => good(text))
    .transform((value) => value ?? './state')
    .describe(
      'Directory of the embedded state database. Keep it across restarts: if it is lost, everything is shipped again. Default `./state`.',
    ),
};
