/**
 * The variables of Azure Storage that its tools share (the Azure CLI, adlfs, object_store): which account, and how to authenticate there.
 */
import { bad, good, type Parsed } from '../../runtime/variable.ts';
import type { Environment } from '../source-kind.ts';
import type { AzureLocation, BlobCredential, ResolvedAzureLocation } from './location.ts';

/** By variable: its meaning, for the documentation. */
export const azureVariables = {
  AZURE_STORAGE_ACCOUNT: 'The storage account of `az://<container>/<prefix>`.',
  AZURE_STORAGE_CONNECTION_STRING:
    'A connection string: endpoint, and key or SAS, of the account that it names. `az://<container>` needs nothing else, also with an emulator.',
  AZURE_STORAGE_KEY: 'An access key of `AZURE_STORAGE_ACCOUNT`, or of the only account.',
  AZURE_STORAGE_SAS_TOKEN:
    'A shared access signature with the permissions `rl` (read and list), for the service or the container.',
  'AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_CLIENT_SECRET':
    'Otherwise Microsoft Entra ID: a service principal with the role Storage Blob Data Reader. With `AZURE_CLIENT_CERTIFICATE_PATH` instead of a secret, its certificate.',
  AZURE_FEDERATED_TOKEN_FILE: 'Workload identity on Kubernetes, whose webhook sets it with the other variables.',
  AZURE_AUTHORITY_HOST: 'The authority of another cloud, such as `https://login.microsoftonline.us`.',
  AZURE_TOKEN_CREDENTIALS:
    'Which ways `DefaultAzureCredential` tries: `prod`, `dev`, or one by name. Without any of these variables, a managed identity is used where there is one.',
} as const;

interface ConnectionString {
  readonly account: string;
  readonly endpoint: string;
  readonly credential: BlobCredential;
}

/** Finds out the account of the location and the credential for it. Problems never contain a value. */
export function resolveAzureLocation(location: AzureLocation, environment: Environment): Parsed<ResolvedAzureLocation> {
  const problems: string[] = [];
  const read = <Value>(name: string, parse: (text: string) => Parsed<Value>): Value | undefined => {
    const text = environment[name]?.trim() ?? '';
    if (text === '') return undefined;
    const parsed = parse(text);
    if ('value' in parsed) return parsed.value;
    problems.push(`${name}: ${parsed.problem}`);
    return undefined;
  };
  const connection = read('AZURE_STORAGE_CONNECTION_STRING', parseConnectionString);
  const named = read('AZURE_STORAGE_ACCOUNT', parseAccount);
  const key = read('AZURE_STORAGE_KEY', parseKey);
  const token = read('AZURE_STORAGE_SAS_TOKEN', parseSas);
  const account = location.account ?? named ?? connection?.account;
  if (account === undefined && problems.length === 0) {
    problems.push(
      `AZURE_STORAGE_ACCOUNT: expected the name of a storage account, because DATABRICKS_AUDIT_SOURCE names none in ${location.name} (an account is az://<account>.blob.core.windows.net)`,
    );
  }
  if (location.account === undefined && named !== undefined && connection !== undefined) {
    if (named !== connection.account) problems.push(describeTwoAccounts(location));
  }
  if (account === undefined || problems.length > 0) return bad(problems.join('\n'));
  const isOfConnection = connection?.account === account;
  const isOfVariables = named === undefined || named === account;
  return good({
    ...location,
    account,
    endpoint:
      (isOfConnection ? connection?.endpoint : undefined) ??
      location.endpoint ??
      `https://${account}.blob.core.windows.net`,
    credential:
      (isOfConnection ? connection?.credential : undefined) ??
      credentialOf(isOfVariables ? key : undefined, isOfVariables ? token : undefined),
  });
}

/** Either could be meant, and the connection string has the only credential for its own. */
function describeTwoAccounts({ name }: AzureLocation): string {
  return `AZURE_STORAGE_ACCOUNT: expected the account that AZURE_STORAGE_CONNECTION_STRING names, because DATABRICKS_AUDIT_SOURCE names none in ${name} (unset one of the two variables, or name the account in the source, as in az://<account>.blob.core.windows.net/<container>)`;
}

function credentialOf(key: string | undefined, token: string | undefined): BlobCredential {
  if (key !== undefined) return { type: 'sharedKey', key };
  return token === undefined ? { type: 'identity' } : { type: 'sas', token };
}

/** The account and well-known key of the emulator. */
const emulator = {
  AccountName: 'devstoreaccount1',
  AccountKey: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
  BlobEndpoint: 'http://127.0.0.1:10000/devstoreaccount1',
};

/** https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string */
function parseConnectionString(text: string): Parsed<ConnectionString> {
  const given = new Map(
    text
      .split(';')
      .filter((part) => part.trim() !== '')
      .map((part): [string, string] => {
        const [name = '', ...value] = part.split('=');
        return [name.trim().toLowerCase(), value.join('=').trim()];
      }),
  );
  const isEmulator = given.get('usedevelopmentstorage')?.toLowerCase() === 'true';
  const fields: Readonly<Partial<Record<keyof typeof emulator, string>>> = isEmulator ? emulator : {};
  const fieldOf = (name: string) => given.get(name.toLowerCase());
  const account = fieldOf('AccountName') ?? fields.AccountName ?? accountOf(fieldOf('BlobEndpoint'));
  const endpoint =
    fieldOf('BlobEndpoint') ??
    fields.BlobEndpoint ??
    `${fieldOf('DefaultEndpointsProtocol') ?? 'https'}://${account}.blob.${fieldOf('EndpointSuffix') ?? 'core.windows.net'}`;
  const key = fieldOf('AccountKey') ?? fields.AccountKey;
  const token = fieldOf('SharedAccessSignature')?.replace(/^\?/, '');
  const expected =
    'expected a connection string such as DefaultEndpointsProtocol=https;AccountName=<name>;AccountKey=<key>';
  if (account === undefined) return bad(`${expected}, with AccountName or BlobEndpoint`);
  if (!/^https?:\/\/[^/]+/.test(endpoint)) return bad(`${expected}, with an http:// or https:// BlobEndpoint`);
  if (key === undefined && token === undefined) return bad(`${expected}, with AccountKey or SharedAccessSignature`);
  if (key !== undefined && !isBase64(key)) return bad(`${expected}, with an AccountKey in base64`);
  return good({ account, endpoint: endpoint.replace(/\/+$/, ''), credential: credentialOf(key, token) });
}

function accountOf(endpoint: string | undefined): string | undefined {
  return /^https?:\/\/([a-z0-9]{3,24})\./.exec(endpoint ?? '')?.[1];
}

function parseAccount(text: string): Parsed<string> {
  return /^[a-z0-9]{3,24}$/.test(text)
    ? good(text)
    : bad('expected the name of a storage account, 3 to 24 lower-case letters and digits');
}

function parseKey(text: string): Parsed<string> {
  return isBase64(text) ? good(text) : bad('expected an access key of the account in base64');
}

function parseSas(text: string): Parsed<string> {
  const token = text.replace(/^\?/, '');
  return new URLSearchParams(token).has('sig')
    ? good(token)
    : bad('expected a shared access signature, such as sv=...&sp=rl&sig=...');
}

function isBase64(text: string): boolean {
  return text.length > 0 && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
}
