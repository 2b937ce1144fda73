/**
 * `DATABRICKS_AUDIT_QUEUE`: the URLs of SQS queues.
 */
import { printable } from '../../../runtime/printable.ts';
import { bad, good, type Parsed } from '../../../runtime/variable.ts';

export interface QueueLocation {
  readonly url: string;
  /** The region that the URL names; undefined for other servers than AWS's. */
  readonly region: string | undefined;
}

const expected =
  'expected the URL of an SQS queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/deliveries';

/** @param text URLs separated by commas. */
export function parseQueues(text: string): Parsed<readonly QueueLocation[]> {
  const parsed = text.split(',').map((entry) => parseQueue(entry.trim()));
  const problems = parsed.flatMap((entry) => ('problem' in entry ? [entry.problem] : []));
  const queues = parsed.flatMap((entry) => ('value' in entry ? [entry.value] : []));
  const repeated = queues.filter(({ url }, index) => queues.findIndex((other) => other.url === url) < index);
  problems.push(...repeated.map(({ url }) => `expected each queue once: ${printable(url)}`));
  return problems.length === 0 ? good(queues) : bad([...new Set(problems)].join('; '));
}

function parseQueue(text: string): Parsed<QueueLocation> {
  const [, region, account, name] = /^arn:aws[a-z-]*:sqs:([a-z0-9-]+):(\d+):([\w.-]+)$/.exec(text) ?? [];
  if (region !== undefined)
    return bad(`${expected} (for this ARN: https://sqs.${region}.amazonaws.com/${account}/${name})`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) return bad(expected);
  if (url.username !== '' || url.password !== '') return bad(`${expected}, without user name and password`);
  if (url.search !== '' || url.hash !== '' || !/^\/[^/]+\/[^/]+$/.test(url.pathname)) {
    return bad(`${expected}, with account and name in its path and nothing after them`);
  }
  return good({ url: url.href, region: regionOf(url.hostname) });
}

/**
 * Host names of SQS (https://docs.aws.amazon.com/general/latest/gr/sqs-service.html): `sqs.<region>.amazonaws.com`,
 * `sqs-fips.<region>...`, `vpce-....sqs.<region>.vpce.amazonaws.com`, `sqs.<region>.api.aws`, and the old `<region>.queue.amazonaws.com`.
 */
function regionOf(host: string): string | undefined {
  const [, region] =
    /(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)$/.exec(
      host,
    ) ??
    /^([a-z0-9-]+)\.queue\.amazonaws\.com(?:\.cn)?$/.exec(host) ??
    [];
  return region ?? (host === 'queue.amazonaws.com' ? 'us-east-1' : undefined);
}
