/**
 * How YAML is read here: keys are text, and the library warns nobody on standard error.
 */
import type { YAMLError } from 'yaml';

export const yamlOptions = { stringKeys: true, logLevel: 'error', prettyErrors: false } as const;

/** What the parser found instead of YAML, in the words of the person who wrote it. */
export function foundByParser({ code, message }: YAMLError): string {
  if (code === 'RESOURCE_EXHAUSTION') return 'more nesting than can be read';
  if (code === 'NON_STRING_KEY')
    return 'a map, a list or an alias as a key, as in a template that was not filled in: {{ .Values.name }}';
  return message;
}
