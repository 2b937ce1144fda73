/**
 * Renders docs/errors.md as a page that the agent serves itself, because a link to a web site is of no use where there is no way out.
 * Knows what that document uses: headings, paragraphs, lists, code, emphasis and links.
 */
import { readFileSync } from 'node:fs';

export function renderErrorsPage(): string {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  // The introduction is about the documentation as a whole.
  const sections = text.slice(text.indexOf('\n## ')).trim().split('\n\n').map(renderBlock);
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>Errors · databricks-audit-otel</title>
    <link rel="icon" href="icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="page.css" />
  </head>
  <body class="text">
    <main>
      <p><a href="./">Live page</a></p>
      <h1>Errors</h1>
${sections.map((section) => `      ${section}`).join('\n')}
    </main>
  </body>
</html>
`;
}

function renderBlock(block: string): string {
  const heading = /^(##+) (.+)$/.exec(block);
  if (heading !== null) {
    const [, marks = '', title = ''] = heading;
    const level = marks.length;
    return `<h${level} id="${title.toLowerCase().replaceAll(/[^\w]+/g, '-')}">${inline(title)}</h${level}>`;
  }
  if (block.startsWith('- ')) {
    const items = block.slice(2).split('\n- ');
    return `<ul>${items.map((item) => `<li>${inline(item)}</li>`).join('')}</ul>`;
  }
  return `<p>${inline(block)}</p>`;
}

function inline(text: string): string {
  return text
    .replaceAll('\n', ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/\*\*(.+?)\*\*/g, '<strong>$1</strong>')
    .replaceAll(/`(.+?)`/g, '<code>$1</code>')
    .replaceAll(/\[([^\]]+)\]\(([^)]+)\)/g, (_, label: string, target: string) =>
      target.startsWith('#') ? `<a href="${target}">${label}</a>` : label,
    );
}
