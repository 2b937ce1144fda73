/**
 * What the agent did since it started. Two equations hold at every moment, and a test reads them under load:
 * linesRead = linesNew + linesAlreadyShipped, and linesNew = linesAccepted + linesDeadLettered + linesInFlight.
 */
export class Counters {
  linesRead = 0;
  linesNew = 0;
  linesAlreadyShipped = 0;
  linesAccepted = 0;
  linesDeadLettered = 0;
  /** Object versions that were read to their end. */
  objectsShipped = 0;
  /** Listed in a version that was settled before: not opened. */
  objectsUnchanged = 0;
  /** Object versions that could not be read to their end, this time. */
  objectsFailed = 0;
  /** Compressed streams that are cut or corrupt; what could be decoded was shipped. */
  objectsDamaged = 0;
  bytesDecoded = 0;

  /** Handed to the exporter, without an end yet. */
  get linesInFlight(): number {
    return this.linesNew - this.linesAccepted - this.linesDeadLettered;
  }
}
