/**
 * Reads a profile of `.databrickscfg`, an INI file: https://docs.databricks.com/aws/en/dev-tools/auth/config-profiles.
 */

/** @returns the values by key; undefined if the file has no such profile. As in Python's configparser, DEFAULT applies to all. */
export function findProfile(text: string, name: string): ReadonlyMap<string, string> | undefined {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const [, heading] = /^\[(.+)\]$/.exec(line) ?? [];
    if (heading !== undefined) {
      section = sections.get(heading.trim()) ?? new Map();
      sections.set(heading.trim(), section);
      continue;
    }
    const [, key, value] = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) section?.set(key.toLowerCase(), value);
  }
  const profile = sections.get(name);
  return profile === undefined ? undefined : new Map([...(sections.get('DEFAULT') ?? []), ...profile]);
}
