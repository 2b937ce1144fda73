/**
 * Generates docs/configuration.md from the schemas, so the two cannot diverge.
 */
import { serviceVariables } from '../sources/options.ts';
import { variables } from './variables.ts';

const groups: readonly (readonly [string, RegExp])[] = [
  ['Agent', /^DATABRICKS_AUDIT_/],
  ['OpenTelemetry', /^OTEL_/],
];

export function renderConfigurationReference(): string {
  const sections = groups.map(([title, names]) => {
    const rows = Object.entries(variables)
      .filter(([name]) => names.test(name))
      .map(([name, schema]) => `| \`${name}\` | ${schema.description ?? ''} |`);
    return `## ${title}\n\n| variable | meaning |\n|---|---|\n${rows.join('\n')}\n`;
  });
  return `${introduction}\n${sections.join('\n')}\n${awsSection}\n${serviceSections()}\n${proxySection}`;
}

function serviceSections(): string {
  const sections = serviceVariables.map(({ title, introduction: text, variables: of }) => {
    const names = (key: string) => key.replaceAll(/\w+/g, '`$&`');
    const rows = Object.entries(of).map(([key, meaning]) => `| ${names(key)} | ${meaning} |`);
    return `## ${title}\n\n${text}\n\n| variable | meaning |\n|---|---|\n${rows.join('\n')}\n`;
  });
  return sections.join('\n');
}

const introduction = `# Configuration

The agent is configured by environment variables only. If any value is invalid, the agent reports all problems at once (the
variable, what was expected and the value) and exits with code 2 before it reads or sends anything. So it does for a misspelled
variable: an unknown one that begins with \`DATABRICKS_AUDIT_\`, or one that is nearly an \`OTEL_\` variable of this page or, with
a \`databricks://\` source, a variable of Databricks.
The variables that Kubernetes sets for a Service (\`..._SERVICE_HOST\`, \`..._PORT_9464_TCP\`) are not counted. An empty value counts as unset. Durations need a unit: \`500ms\`, \`60s\`, \`15m\`, \`24h\`, \`7d\`.

<!-- Written by "npm run docs" from the schemas in src/. -->
`;

const awsSection = `## AWS

The AWS SDK reads its own variables and configuration files: \`AWS_REGION\`, \`AWS_ROLE_ARN\` with
\`AWS_WEB_IDENTITY_TOKEN_FILE\`, \`AWS_PROFILE\`, \`AWS_ACCESS_KEY_ID\` and so on. Set \`AWS_ENDPOINT_URL\` or
\`AWS_ENDPOINT_URL_S3\` to use MinIO or another S3-compatible server; requests then use path-style addressing.
`;

const proxySection = `## Proxies

\`HTTP_PROXY\` is the proxy for \`http://\` URLs, \`HTTPS_PROXY\` the one for \`https://\` URLs, and \`NO_PROXY\` lists exceptions. The
lower-case forms take precedence. [Operations](operations.md#proxies) has the details.
`;
