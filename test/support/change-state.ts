/**
 * Changes a delivery state without the agent's knowledge, with valid checksums.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { checksumOf } from '../../src/delivery/row-checksum.ts';
import { ownerAt } from '../../src/delivery/state-rows.ts';
import type { ObjectId } from '../../src/model/object.ts';

export function changeState(stateDirectory: string, sql: string): void {
  const database = new DatabaseSync(join(stateDirectory, 'delivery.db'));
  database.function('checksum', (uri, observedAtMs, hashes) => {
    const owner = observedAtMs === null ? String(uri) : ownerAt(String(uri) as ObjectId, Number(observedAtMs));
    return checksumOf(owner, hashes as Uint8Array);
  });
  database.exec(sql);
  const uri = '(SELECT uri FROM object WHERE object_id = line_hashes.object_id)';
  database.exec(`UPDATE line_hashes SET checksum = checksum(${uri}, observed_at_ms, hashes)`);
  database.close();
}
