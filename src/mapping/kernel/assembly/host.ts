// Functions of the host (kernel.ts): rare cases, and decisions that must have a single definition.

/** The flags of a key: `sensitive`, `sensitiveInService`. */
export declare function flagsOfKey(start: usize, size: usize): u32;

/**
 * True if redaction would change the string, which is passed with its escapes.
 * @param service the unescaped name of the service, 0 without one.
 */
export declare function changesString(start: usize, end: usize, service: usize, serviceEnd: usize): bool;

/**
 * Parses the JSON embedded in a string, which is passed with its escapes, and writes it in normalised form.
 * @returns the size, 0 if the string embeds no object; nothing is written beyond the capacity.
 */
export declare function normaliseString(start: usize, end: usize, to: usize, capacity: usize): usize;

/** Serialises a container as JSON.stringify does. @returns the size; nothing is written beyond the capacity. */
export declare function jsonText(start: usize, size: usize, to: usize, capacity: usize): usize;

/** Formats a number with a fraction or exponent as JavaScript does. @returns the size, 0 if a double cannot represent it. */
export declare function numberString(start: usize, size: usize, to: usize): usize;

/** Formats a number as JSON, in at most 32 bytes. @returns the size. */
export declare function numberText(value: f64, to: usize): usize;

export declare function toDouble(start: usize, size: usize): f64;

export declare function isUtf8(start: usize, size: usize): bool;
