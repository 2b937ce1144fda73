// What the kernel asks of the agent (host-functions in kernel.ts): rare cases, and decisions that must have one definition.

/** The flags of a key: `sensitive`, `sensitiveInService`. */
export declare function flagsOfKey(start: usize, size: usize): u32;

/**
 * True when redaction would change the text, given with its escapes as it is in the line.
 * @param service the text that names the service, without escapes; 0 when none does.
 */
export declare function changesText(start: usize, end: usize, service: usize, serviceEnd: usize): bool;

/**
 * Parses the text, given with its escapes, and writes the object in it as tidy JSON (exact-json.ts).
 * @returns its size, 0 when the text contains no object. More than the capacity was not written.
 */
export declare function tidyText(start: usize, end: usize, to: usize, capacity: usize): usize;

/** Writes a container as JSON.stringify does. @returns its size; more than the capacity was not written. */
export declare function jsonText(start: usize, size: usize, to: usize, capacity: usize): usize;

/** Writes a number with a fraction or an exponent as JavaScript does. @returns its size, 0 for one that a double cannot hold. */
export declare function numberText(start: usize, size: usize, to: usize): usize;

export declare function toDouble(start: usize, size: usize): f64;

export declare function isUtf8(start: usize, size: usize): bool;
