/**
 * What may be taken out of bodies and attributes: secret values; code, SQL and arguments.
 */
export const redactionClasses = ['secrets', 'commands'] as const;

export type RedactionClass = (typeof redactionClasses)[number];
