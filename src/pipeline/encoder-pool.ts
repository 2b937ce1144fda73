/**
 * Encoders that are not in use. An encoder holds the memory of its request until the request has come to its end, and then
 * serves the next one.
 */
import type { RequestEncoder } from '../mapper.ts';

export class EncoderPool {
  readonly #create: () => RequestEncoder;
  readonly #idle: RequestEncoder[] = [];

  constructor(create: () => RequestEncoder) {
    this.#create = create;
  }

  take(): RequestEncoder {
    return this.#idle.pop() ?? this.#create();
  }

  /** @param encoder empty: its request was finished. */
  giveBack(encoder: RequestEncoder): void {
    this.#idle.push(encoder);
  }
}
