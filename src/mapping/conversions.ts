/**
 * The names of the conversions (`as`). The kernel implements them (kernel/assembly/conversions.ts).
 */

/** The type of the result, for documentation. The order is that of `Conversion` in the kernel. */
const types = {
  string: 'string',
  integer: 'int',
  boolean: 'bool',
  json_text: 'string',
  http_status: 'int',
  not_http_status: 'int',
  ip_address: 'string',
  ip_port: 'int',
  not_ip_address: 'string',
  principal_type: 'string',
  email_address: 'string',
  uuid: 'string',
  principal_name: 'string',
  record_uid: 'string',
  seconds_after_event: 'int',
} as const;

export type ConversionName = keyof typeof types;

/** Conversions to a single value. The others are `map` and `list`. */
export const conversionNames = Object.keys(types) as readonly ConversionName[];
export const conversionTypes: Readonly<Record<ConversionName, 'string' | 'int' | 'bool'>> = types;

/** The results of `principal_type`, in the order of `Principal` in the kernel. */
export const principalTypes = ['user', 'service_principal', 'system', 'unknown'] as const;
