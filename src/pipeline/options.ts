/**
 * Options for the size of requests.
 */
import { variable, wholeNumber } from '../runtime/variable.ts';

const mebibyte = 1_048_576;

export const pipelineOptions = {
  DATABRICKS_AUDIT_BATCH_RECORDS: variable(wholeNumber(1, 100_000))
    .transform((value) => value ?? 512)
    .describe('Maximum number of records per request. Default `512`.'),
  DATABRICKS_AUDIT_BATCH_BYTES: variable(wholeNumber(1024, 64 * mebibyte))
    .transform((value) => value ?? 2 * mebibyte)
    .describe(
      'Size at which a request is sent, before compression, in bytes; its last record may exceed it. Default `2097152` (2 MiB): gRPC receivers refuse more than 4 MiB by default.',
    ),
};
