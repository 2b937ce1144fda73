/**
 * What the user decides about the delivery state.
 */
import { good, variable } from '../runtime/variable.ts';

export const deliveryOptions = {
  DATABRICKS_AUDIT_STATE: variable((text) => good(text))
    .transform((value) => value ?? './state')
    .describe(
      'Directory of the embedded state database. It must survive a restart: what is lost with it is sent again. Default `./state`.',
    ),
};
