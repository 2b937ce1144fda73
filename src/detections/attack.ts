/**
 * Names of MITRE ATT&CK, version 19, as far as rules are tagged with them. In that version `defense-evasion` became
 * `stealth` and `defense-impairment`, and T1562 became T1685 and T1686.
 */

interface Tactic {
  readonly id: string;
  readonly name: string;
}

/** By the tag of Sigma, in the order of an attack. */
export const tactics: Readonly<Record<string, Tactic>> = {
  reconnaissance: { id: 'TA0043', name: 'Reconnaissance' },
  'initial-access': { id: 'TA0001', name: 'Initial Access' },
  execution: { id: 'TA0002', name: 'Execution' },
  persistence: { id: 'TA0003', name: 'Persistence' },
  'privilege-escalation': { id: 'TA0004', name: 'Privilege Escalation' },
  stealth: { id: 'TA0005', name: 'Stealth' },
  'defense-impairment': { id: 'TA0112', name: 'Defense Impairment' },
  'credential-access': { id: 'TA0006', name: 'Credential Access' },
  discovery: { id: 'TA0007', name: 'Discovery' },
  'lateral-movement': { id: 'TA0008', name: 'Lateral Movement' },
  collection: { id: 'TA0009', name: 'Collection' },
  exfiltration: { id: 'TA0010', name: 'Exfiltration' },
  impact: { id: 'TA0040', name: 'Impact' },
};

export const techniques: Readonly<Record<string, string>> = {
  T1027: 'Obfuscated Files or Information',
  T1037: 'Boot or Logon Initialization Scripts',
  T1059: 'Command and Scripting Interpreter',
  'T1059.004': 'Unix Shell',
  T1072: 'Software Deployment Tools',
  T1078: 'Valid Accounts',
  'T1078.004': 'Cloud Accounts',
  T1098: 'Account Manipulation',
  'T1098.001': 'Additional Cloud Credentials',
  'T1098.003': 'Additional Cloud Roles',
  T1110: 'Brute Force',
  'T1110.003': 'Password Spraying',
  T1136: 'Create Account',
  'T1136.003': 'Cloud Account',
  T1199: 'Trusted Relationship',
  T1204: 'User Execution',
  T1213: 'Data from Information Repositories',
  T1485: 'Data Destruction',
  T1526: 'Cloud Service Discovery',
  T1528: 'Steal Application Access Token',
  T1530: 'Data from Cloud Storage',
  T1531: 'Account Access Removal',
  T1537: 'Transfer Data to Cloud Account',
  T1539: 'Steal Web Session Cookie',
  T1548: 'Abuse Elevation Control Mechanism',
  T1552: 'Unsecured Credentials',
  T1555: 'Credentials from Password Stores',
  'T1555.006': 'Cloud Secrets Management Stores',
  T1556: 'Modify Authentication Process',
  'T1556.006': 'Multi-Factor Authentication',
  'T1556.007': 'Hybrid Identity',
  T1567: 'Exfiltration Over Web Service',
  T1595: 'Active Scanning',
  T1611: 'Escape to Host',
  T1619: 'Cloud Storage Object Discovery',
  T1657: 'Financial Theft',
  T1685: 'Disable or Modify Tools',
  'T1685.002': 'Disable or Modify Cloud Log',
  T1686: 'Disable or Modify System Firewall',
  'T1686.001': 'Disable or Modify Cloud Firewall',
};

/** Where ATT&CK has the technique: `T1098/001`. */
export function techniqueUrl(id: string): string {
  return `https://attack.mitre.org/techniques/${id.replace('.', '/')}/`;
}
