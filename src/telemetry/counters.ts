/**
 * Counters since the agent started. Two invariants hold after every event, and a test checks them under load:
 * linesRead = linesNew + linesAlreadyShipped, and
 * linesNew = linesAccepted + linesDeadLettered + linesAbandoned + linesInFlight.
 */
import type { AgentEvent } from '../contracts/observer.ts';

export class Counters {
  linesRead = 0;
  linesNew = 0;
  linesAlreadyShipped = 0;
  linesAccepted = 0;
  linesDeadLettered = 0;
  /** In batches whose claim was taken over: another process sends them. */
  linesAbandoned = 0;
  /** Object versions read completely. */
  objectsShipped = 0;
  /** Object versions that were already settled and therefore not opened. */
  objectsUnchanged = 0;
  /** Visits that could not read the object version completely; it is retried. */
  objectsFailed = 0;
  /** Truncated or corrupt compressed streams; whatever could be decoded was shipped. */
  objectsDamaged = 0;
  bytesDecoded = 0;
  /** Lines that could not be parsed, by reason. The mapping has few reasons, and they quote nothing. */
  readonly linesUnparsed = new Map<string, number>();

  /** Handed to the exporter, but neither accepted nor dead-lettered yet. */
  get linesInFlight(): number {
    return this.linesNew - this.linesAccepted - this.linesDeadLettered - this.linesAbandoned;
  }

  observe(event: AgentEvent): void {
    switch (event.kind) {
      case 'linesRead':
        this.linesRead += event.readCount;
        this.linesAlreadyShipped += event.alreadyShippedCount;
        this.linesNew += event.newCount;
        this.bytesDecoded += event.decodedBytes;
        break;
      case 'batchEnded':
        this.linesAccepted += event.acceptedCount;
        this.linesDeadLettered += event.deadLetteredCount;
        for (const [reason, count] of event.unparsed ?? [])
          this.linesUnparsed.set(reason, (this.linesUnparsed.get(reason) ?? 0) + count);
        break;
      case 'batchAbandoned':
        this.linesAbandoned += event.lineCount;
        break;
      case 'objectsListed':
        this.objectsUnchanged += event.unchangedCount;
        break;
      case 'objectVisited':
        if (event.status === 'settled') this.objectsShipped++;
        if (event.status === 'damaged') this.objectsDamaged++;
        if (event.status === 'released') this.objectsFailed++;
        if (event.status === 'unchanged') this.objectsUnchanged++;
        break;
    }
  }
}
