/**
 * Renders docs/configuration.md from the schemas, so that it cannot tell anything else.
 */
import { variables } from './variables.ts';

const groups: readonly (readonly [string, RegExp])[] = [
  ['The agent', /^DATABRICKS_AUDIT_/],
  ['OpenTelemetry', /^OTEL_/],
];

export function renderConfigurationReference(): string {
  const sections = groups.map(([title, names]) => {
    const rows = Object.entries(variables)
      .filter(([name]) => names.test(name))
      .map(([name, schema]) => `| \`${name}\` | ${schema.description ?? ''} |`);
    return `## ${title}\n\n| variable | meaning |\n|---|---|\n${rows.join('\n')}\n`;
  });
  return `${introduction}\n${sections.join('\n')}\n${awsSection}`;
}

const introduction = `# Configuration

Environment variables only. Every problem is reported at once, with the variable, what was expected and what it holds, and
the agent ends with exit code 2 before anything is read or sent. An empty value counts as not set. Durations have a unit:
\`500ms\`, \`60s\`, \`15m\`, \`24h\`, \`7d\`.

<!-- Written by "npm run docs" from the schemas in src/. -->
`;

const awsSection = `## AWS

The AWS SDK reads its own variables and files: \`AWS_REGION\`, \`AWS_ROLE_ARN\` with \`AWS_WEB_IDENTITY_TOKEN_FILE\`,
\`AWS_PROFILE\`, \`AWS_ACCESS_KEY_ID\` and so on. \`AWS_ENDPOINT_URL\` or \`AWS_ENDPOINT_URL_S3\` point it to MinIO and other
servers that speak S3; requests then use path style.
`;
