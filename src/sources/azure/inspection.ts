/**
 * What `check` can say about a storage account with the rights that shipping needs. Its settings, such as lifecycle rules, need others.
 */
import type { CheckResult } from '../../contracts/check-result.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { SourceInspection } from '../source-kind.ts';
import type { BlobCredential, ResolvedAzureLocation } from './location.ts';

/** In this time, somebody should have noticed. */
const expiryWarningMs = 14 * 86_400_000;

export async function inspectAccount(
  { account, credential }: ResolvedAzureLocation,
  signal: AbortSignal,
  clock: Clock,
): Promise<SourceInspection> {
  signal.throwIfAborted();
  const lifecycle: CheckResult = {
    status: 'skipped',
    message: `lifecycle rules of ${account}: not checked (reading blobs does not include reading them)`,
    hint: 'Keep blobs for longer than the longest outage you expect: what is not shipped by then is lost.',
  };
  return { results: [...describeCredential(account, credential, clock.nowMs()), lifecycle], serverClock: undefined };
}

function describeCredential(account: string, credential: BlobCredential, nowMs: number): readonly CheckResult[] {
  switch (credential.type) {
    case 'identity':
      return []; // Listing has shown whether it works.
    case 'sharedKey':
      return [
        {
          status: 'skipped',
          message: `${account} is read with an access key, which allows everything`,
          hint: 'Shipping needs only the role Storage Blob Data Reader, or a shared access signature with the permissions rl.',
        },
      ];
    case 'sas':
      return [describeSas(account, credential.token, nowMs)];
  }
}

function describeSas(account: string, token: string, nowMs: number): CheckResult {
  const message = `${account} is read with a shared access signature`;
  const expiry = new URLSearchParams(token).get('se');
  const expiresAtMs = Date.parse(expiry ?? '');
  // With a stored access policy, the service knows the expiry, and the token does not.
  if (Number.isNaN(expiresAtMs)) return { status: 'ok', message };
  if (expiresAtMs - nowMs > expiryWarningMs)
    return { status: 'ok', message: `${message} that is valid until ${expiry}` };
  const verb = expiresAtMs <= nowMs ? 'expired on' : 'expires on';
  return {
    status: 'warning',
    message: `${message} that ${verb} ${new Date(expiresAtMs).toISOString()}`,
    hint: 'Create a new one and set AZURE_STORAGE_SAS_TOKEN. An identity of Microsoft Entra ID does not expire.',
  };
}
