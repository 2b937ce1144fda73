/**
 * Strings, keys and values that are known to break programs.
 */
import type { Random } from './random.ts';

const oddTexts: readonly string[] = [
  ...['', ' ', '\0', '\n', '\r\n', '\t', '\u2028', '\u2029', '\ufeff', '\u0085', '\u00a0', '\x7f', '\x9b31m'],
  ...[
    '\x1b[2J',
    '\x1b]8;;http://example.com\x07link\x1b]8;;\x07',
    '\u202egnp.exe',
    '\u2066x\u2069',
    'e\u0301',
    '\ud83d\ude00',
  ],
  ...['\ud800', '\udc00', 'a\ud800b', '\udfff\ud800', '\ufffd', '\ufffe', '\uffff', '\u{10ffff}'],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'length', '0', '-1', 'null'],
  ...[
    '../../etc/passwd',
    '..',
    '.',
    '/',
    '\\',
    'C:\\',
    'con',
    '%00',
    '%n%s',

    '{{7*7}}',
    '<script>',
  ],
  ...['"', '\\"', '\\\\"', "'", '`', '{"a":1}', '{"a":', '[1,[2]]', '[', '{', '}', '"a":1', '{"password":1}'],
  ...['true', 'NaN', 'Infinity', '1e400', '007', '0x10', '1_000', '９', '٣', '-0', '9007199254740993'],
  ...[
    '203.0.113.7',
    '203.0.113.7:443',
    '203.0.113.7:0',
    '[2001:db8::1]:443',
    '::1',
    'fe80::1%eth0',
    '1.2.3',
    '1.2.3.4:99999',
  ],
  ...['a@example.com', '@', 'a@b@c', 'System-User', '6f05d6d6-c457-477c-9692-0addaa1c1797', 'unknown'],
  ...['200', '401', '404', '500', '999', '1759795200000', '1759795200', '2025-10-07T00:00:00Z'],
];

const oddNumbers: readonly string[] = [
  ...[
    '0',
    '-0',
    '0.0',
    '-0.0',
    '1',
    '-1',
    '1.5',
    '1.10',
    '1e0',
    '1E+2',
    '1e-7',
    '5e-324',
    '1e21',
    '1e22',
    '123456789e10',
  ],
  ...['1e308', '1.8e308', '1e400', '-1e400', '1e-400', '0e999999999', '9007199254740991', '9007199254740992'],
  ...['9007199254740993', '-9007199254740993', '9223372036854775807', '9223372036854775808', '-9223372036854775808'],
  ...['-9223372036854775809', '18446744073709551615', '12345678901234567890123', '0.1234567890123456789', '2147483648'],
  ...['100', '199', '200', '399', '400', '401', '403', '500', '599', '600', '99', '-200', '200.0', '4.04e2'],
  ...[
    '631152000000',
    '631151999999',
    '9223372036854',
    '9223372036855',
    '1759795200000',
    '1759795200',
    '1759795200000000',
  ],
  ...['1759795200000.0', '1759795200000.5', '1.7597952e12', '01', '+1', '.5', '1.', 'NaN', '-Infinity', '0x1F', '1n'],
];

const fieldNames: readonly string[] = [
  ...[
    'timestamp',
    'version',
    'auditLevel',
    'orgId',
    'workspaceId',
    'workspace_id',
    'shardName',
    'accountId',
    'account_id',
  ],
  ...[
    'sourceIPAddress',
    'userAgent',
    'sessionId',
    'userIdentity',
    'email',
    'subjectName',
    'subject_name',
    'serviceName',
  ],
  ...[
    'actionName',
    'requestId',
    'requestParams',
    'response',
    'statusCode',
    'status_code',
    'errorMessage',
    'error_message',
  ],
  ...[
    'result',
    'identityMetadata',
    'identity_metadata',
    'runBy',
    'run_by',
    'runAs',
    'eventId',
    'event_id',
    'properties',
  ],
  ...['MAX_LOG_MESSAGE_LENGTH', 'request_params', 'source_ip_address'],
];

export function hostileText(random: Random): string {
  switch (random.below(12)) {
    case 0:
      return random.pick(oddTexts).repeat(1 + random.size(20));
    case 1:
      return random.pick(oddTexts) + random.pick(oddTexts);
    case 2:
      return String.fromCharCode(...random.list(random.size(12), () => random.below(0x10000)));
    case 3:
      return String.fromCharCode(...random.list(random.size(12), () => random.below(0x100)));
    case 4:
      return random.pick(['a', 'é', '€', '\u{1f600}', '\ud800', '"', '\\', '\0']).repeat(boundary(random));
    case 5:
      return random.pick(oddNumbers);
    case 6:
      return JSON.stringify({ [random.pick(oddTexts)]: { [random.pick(oddTexts)]: random.pick(oddTexts) } });
    default:
      return random.pick(oddTexts);
  }
}

export function hostileKey(random: Random): string {
  return random.chance(0.6) ? random.pick(fieldNames) : hostileText(random);
}

export function hostileNumber(random: Random): string {
  if (random.chance(0.7)) return random.pick(oddNumbers);
  const digits = String(random.uint32()).repeat(1 + random.size(4));
  return `${random.pick(['', '-'])}${digits}${random.pick(['', '.5', 'e3', 'e-3', 'E+300'])}`;
}

/** Lengths of strings around the sizes at which the mapping and the encodings behave differently. */
function boundary(random: Random): number {
  const near = random.pick([10, 63, 64, 127, 128, 320, 1_365, 4_095, 4_096, 8_192, 16_383, 32_768]);
  return random.chance(0.8)
    ? random.pick([1, 9, 10, 11, 60, 61, 62, 63, 64, 65, 126, 127, 128])
    : near + random.below(3) - 1;
}

/** The text as a JSON string, as one of the ways to write it. */
export function quotedText(text: string, random: Random): string {
  if (random.chance(0.85)) return JSON.stringify(text);
  const escaped = Array.from({ length: text.length }, (_, index) => {
    const code = text.charCodeAt(index);
    if (random.chance(0.5) || code < 0x20 || code === 0x22 || code === 0x5c || (code >= 0xd800 && code <= 0xdfff))
      return `\\u${code.toString(16).padStart(4, '0')}`;
    return text.charAt(index);
  });
  return `"${escaped.join('')}"`;
}
