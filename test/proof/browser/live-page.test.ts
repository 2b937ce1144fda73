/**
 * The live page of a real agent in a real browser.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { scrape, untilEnded, urlOf } from '../../support/agent-http.ts';
import { type Environment, startAgent } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, directoryPlace } from '../../support/delivery-place.ts';
import { answers, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { sumOf } from '../../support/prometheus-text.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { chromiumPath } from './chromium.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** For a machine that is busy with other things. */
const waitMs = 90_000;
let browser: Browser;

if (chromiumPath === undefined) console.warn('Skipped: Chromium is not on the PATH (apt-get install chromium)');

describe.skipIf(chromiumPath === undefined)('the live page', () => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: chromiumPath ?? '', args: ['--no-sandbox'], timeout: waitMs });
  });
  afterAll(() => browser.close());

  it('shows the same figures as the metrics', async () => {
    const { agent, page, url, receiver, place } = await scene();
    await place.deliver(deliveryKey('1'), auditLines(1234));
    await place.deliver(deliveryKey('2'), auditLines(700, 5000));
    receiver.answerWhen(
      ({ records }) => records.some(({ body }) => body?.includes('request-5003"')),
      answers.refuseRecords(({ body }) => body?.includes('request-5003"') === true, 'line 5003 is not wanted'),
    );
    await untilEnded(agent, 1934);
    await shows(page, '[data-status=incomplete]');
    await page.getByText('HTTP 400: line 5003 is not wanted').first().waitFor();

    const samples = await scrape(url);
    const ofMetrics = (name: string, labels = {}) => sumOf(samples, `databricks_audit_lines_${name}`, labels);
    await expectFigures(page, {
      read: ofMetrics('read_total'),
      new: ofMetrics('new_total'),
      alreadyShipped: ofMetrics('already_shipped_total'),
      accepted: ofMetrics('accepted_total'),
      deadLettered: ofMetrics('dead_lettered_total'),
      inFlight: ofMetrics('in_flight'),
    });
    await expectFigures(page, { read: 1934, accepted: 1933, deadLettered: 1 });
    for (const id of ['1', '2']) {
      const labels = { databricks_workspace_id: id };
      expect(await cellsOf(page, id)).toMatchObject({
        Accepted: ofMetrics('accepted_total', labels)?.toLocaleString('en'),
        'Dead-lettered': String(ofMetrics('dead_lettered_total', labels)),
        'Not shipped': '0',
        '14 days': expect.stringMatching(/^\d/),
      });
    }
    // The one with a dead letter comes first.
    expect(await page.locator('#workspaces th').allInnerTexts()).toEqual(['2', '1']);
    expect(await page.locator('#workspaces tr').last().getByRole('img').getAttribute('aria-label')).toBe(
      'Lines per day. 2026-01-31: 1,234',
    );
    expect(await page.locator('#settings').innerText()).toContain('DATABRICKS_AUDIT_SOURCE');
    expect(await page.content()).not.toContain('s3cr3t');
  });

  it('keeps its totals across a restart, and says since when the rest counts', async () => {
    const { agent, page, receiver, place, environment } = await scene();
    const isPoison = ({ body }: { readonly body: string | undefined }) => body?.includes('request-3"') === true;
    receiver.answerWhen(({ records }) => records.some(isPoison), answers.refuseRecords(isPoison, 'not wanted'));
    await place.deliver(deliveryKey('1'), auditLines(10));
    await place.deliver(deliveryKey('2'), auditLines(5, 50));
    await untilEnded(agent, 15);
    await shows(page, '[data-status=incomplete]');
    await agent.stop();

    const next = startAgent(['run'], environment);
    await page.goto(await urlOf(next));
    await page.getByText('14 accepted and 1 dead-lettered since').waitFor();
    await expectFigures(page, { accepted: 0, deadLettered: 0 });
    expect(await cellsOf(page, '1')).toMatchObject({ Accepted: '9', 'Dead-lettered': '1' });
    // The one with the dead letter is still the worst.
    expect(await page.locator('#workspaces th').allInnerTexts()).toEqual(['1', '2']);
    await place.deliver(deliveryKey('2'), auditLines(7, 50));
    await page.getByText('16 accepted and 1 dead-lettered since').waitFor();
    await expectFigures(page, { accepted: 2, deadLettered: 0 });
  });

  it('names what an earlier process could not read, and the workspace that it is in', async () => {
    const { agent, page, place, environment } = await scene();
    await place.deliver(deliveryKey('1'), auditLines(3));
    // A zip archive, by its first bytes.
    await place.deliver(deliveryKey('2'), ['PK\u0003\u0004']);
    await untilEnded(agent, 3);
    await shows(page, '[data-status=incomplete]');
    await agent.stop();

    const next = startAgent(['run'], environment);
    expect(await next.logged('The state knows of an object that could not be read as it should be')).toMatchObject({
      level: 'error',
      code: 'ERR_OBJECT_FORMAT',
    });
    await page.goto(await urlOf(next));
    await shows(page, '[data-status=incomplete]');
    expect(await page.locator('#faults').innerText()).toMatch(
      /^ERR_OBJECT_FORMAT\s+1\s+before this start: file:.*workspaceId=2.*Deliver the object again/s,
    );
    expect(await cellsOf(page, '2')).toMatchObject({ 'Not shipped': '1' });
    await page.getByLabel('Problems only').check();
    expect(await page.locator('#workspaces th').allInnerTexts()).toEqual(['2']);
  });

  it('shows an outage with its cause, and the recovery', async () => {
    const { page, receiver, place } = await scene();
    await shows(page, '[data-status=idle]');
    receiver.answerWhen(() => true, answers.status(503, 'the queue is full'));
    await place.deliver(deliveryKey(), auditLines(10));
    await page.getByRole('heading', { name: 'Waiting for the collector' }).waitFor();
    await shows(page, '[data-status=waiting]');
    expect(await page.locator('.wait').innerText()).toMatch(
      /the queue is full.*ERR_EXPORT_UNAVAILABLE · for \d+ s · \d+ failed attempts? · (next attempt in|retrying now)/s,
    );
    expect(await page.title()).toBe('Waiting · databricks-audit-otel');
    receiver.acceptAgain();
    await shows(page, '[data-status=idle]');
    expect(await page.locator('.wait').count()).toBe(0);
    await expectFigures(page, { accepted: 10 });
  });

  it('says how many dead letters are silence notices, which the line counts exclude', async () => {
    const { page, receiver, place } = await scene({}, { DATABRICKS_AUDIT_SILENCE_AFTER: '36h' });
    const isNotice = (eventName: string | undefined) => eventName?.startsWith('databricks.audit.silence') === true;
    receiver.answerWhen(({ records }) => records.some(({ record }) => isNotice(record.eventName)), answers.status(400));
    await place.deliver(deliveryKey(), auditLines(3));
    await page.getByText('Includes 1 silence notice, which the line counts above exclude.').waitFor();
    await expectFigures(page, { deadLettered: 0 });
  });

  it('renders text from paths and servers as text, even if it contains markup', async () => {
    const { agent, page, receiver, place } = await scene();
    const evil = '<img src=x onerror=window.pwned=1>';
    receiver.answerWhen(
      ({ records }) => records.length > 0,
      answers.plain(400, `{"message":"<script>window.pwned=1</script>${evil}"}`),
    );
    await place.deliver(deliveryKey(evil), auditLines(1));
    await page.getByText(`<script>window.pwned=1</script>${evil}`).first().waitFor();
    expect(await page.locator('#workspaces th').innerText()).toBe(evil);
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    await agent.stop();
  });

  it('blocks scripts and styles that it does not serve itself', async () => {
    const { page } = await scene();
    await shows(page, '[data-status=idle]');
    const insert = (code: string) => page.evaluate(code).then(String, (error: Error) => error.message);
    expect(await insert(`document.body.innerHTML = '<b>x</b>'`)).toMatch(/TrustedHTML/);
    expect(await insert(`const it = document.createElement('script'); it.src = 'data:text/javascript,1'; it`)).toMatch(
      /Trusted/,
    );
    const blocked = page.evaluate(
      `new Promise((resolve) => document.addEventListener('securitypolicyviolation', (event) => resolve(event.violatedDirective)))`,
    );
    await page.evaluate(`document.body.setAttribute('style', 'color: red')`);
    expect(await blocked).toMatch(/^style-src/);
  });

  it('keeps its elements across updates, so that selection and focus survive', async () => {
    const { agent, page, place } = await scene();
    await place.deliver(deliveryKey('5'), auditLines(3));
    await page.locator('#workspaces tr').waitFor();
    await page.evaluate(`document.querySelector('#workspaces tr').marked = true`);
    await place.deliver(deliveryKey('4'), auditLines(5, 50));
    await untilEnded(agent, 8);
    await page.locator('#workspaces tr').nth(1).waitFor();
    expect(
      await page.evaluate(`[...document.querySelectorAll('#workspaces tr')].map(({ marked }) => marked === true)`),
    ).toEqual([false, true]);
  });

  it('shows the worst of sixty workspaces first, sorts and filters them, and links codes to advice', async () => {
    const { page, receiver, place, agent } = await scene();
    receiver.answerWhen(
      ({ records }) => records.some(({ body }) => body?.includes('"workspaceId":"42"')),
      answers.refuseRecords(({ body }) => body?.includes('"workspaceId":"42"') === true, 'not wanted'),
    );
    for (let id = 1; id <= 60; id++) {
      await place.deliver(deliveryKey(String(id)), auditLines(id, id * 100, { workspaceId: String(id) }));
    }
    await untilEnded(agent, 1830);
    const ids = () => page.locator('#workspaces th').allInnerTexts();
    await expect.poll(async () => (await ids()).length).toBe(60);
    await expect.poll(async () => (await ids())[0]).toBe('42');
    await page.getByRole('button', { name: 'Accepted' }).click();
    expect((await ids()).slice(0, 2)).toEqual(['60', '59']);
    await page.getByRole('button', { name: 'Workspace' }).click();
    expect((await ids()).slice(0, 2)).toEqual(['1', '2']);
    await page.getByLabel('Filter workspaces by name').fill('42');
    expect(await ids()).toEqual(['42']);
    await page.getByLabel('Filter workspaces by name').fill('');
    await page.getByLabel('Problems only').check();
    expect(await ids()).toEqual(['42']);
    await page.getByText('1 of 60').waitFor();
    await page.getByText('42', { exact: true }).first().waitFor();
    await page.locator('#faults').getByRole('link', { name: 'ERR_EXPORT_REJECTED' }).click();
    await page.locator('h3#err_export_rejected').waitFor();
  });

  it('says so when the agent is not responding', async () => {
    const { agent, page } = await scene();
    await shows(page, '[data-status=idle]');
    await agent.kill();
    await page.getByText('the agent is not responding').waitFor();
  });

  it('can be navigated by keyboard, with a skip link first', async () => {
    const { page } = await scene();
    await page.locator('#faults').getByRole('link', { name: 'ERR_SOURCE_EMPTY' }).waitFor();
    const focused = () => page.evaluate('document.activeElement.textContent.trim()');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to main content');
    const stops: unknown[] = [];
    for (let i = 0; i < 14; i++) {
      await page.keyboard.press('Tab');
      stops.push(await focused());
    }
    expect(stops.slice(0, 4)).toEqual(['', '', 'Workspace', 'Last event']); // The filter and its box come first.
    expect(stops.slice(9)).toEqual(['ERR_SOURCE_EMPTY', 'metrics', 'readyz', 'livez', 'status.json']);
  });

  describe.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 320],
    ['dark', 320],
  ] as const)('in %s, %i pixels wide', (colorScheme, width) => {
    it('has no axe violations and no horizontal overflow', async () => {
      const { agent, page, receiver, place } = await scene({ colorScheme, viewport: { width, height: 800 } });
      await place.deliver(deliveryKey('1234567890123456'), auditLines(30));
      await page.locator('#workspaces tr').waitFor();
      await expectNoFaults(page);
      receiver.answerWhen(() => true, answers.status(503, 'a-word-that-has-no-place-to-break-'.repeat(8)));
      await place.deliver(deliveryKey('1234567890123456'), auditLines(40));
      await page.getByRole('heading', { name: 'Waiting for the collector' }).waitFor();
      await expectNoFaults(page);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      await agent.kill();
    });
  });
});

async function scene(options: BrowserContextOptions = {}, more: Environment = {}) {
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const place = directoryPlace();
  const environment = {
    DATABRICKS_AUDIT_SOURCE: place.source,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_HTTP: '127.0.0.1:0',
    DATABRICKS_AUDIT_LOOKBACK: '36500d',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=s3cr3t',
    ...more,
  };
  const agent = startAgent(['run'], environment);
  const url = await urlOf(agent);
  const context = await browser.newContext(options);
  onTestFinished(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(waitMs);
  await page.goto(url);
  return { agent, page, url, receiver, place, environment };
}

function shows(page: Page, selector: string): Promise<void> {
  return page.locator(`#state${selector}`).waitFor();
}

/** Waits until the totals at the top are these: the page shows them up to a second after the agent has counted them. */
async function expectFigures(page: Page, expected: Readonly<Record<string, number | undefined>>): Promise<void> {
  await expect.poll(() => figures(page)).toMatchObject(expected);
}

/** The totals at the top, as numbers. A figure that appears twice must have the same value both times. */
async function figures(page: Page): Promise<Record<string, number>> {
  const shown = await page.locator('[data-figure]').all();
  const entries = await Promise.all(
    shown.map(async (figure) => {
      const name = (await figure.getAttribute('data-figure')) ?? '';
      return [name, Number((await figure.innerText()).replaceAll(',', ''))] as const;
    }),
  );
  const values = Object.fromEntries(entries);
  for (const [name, value] of entries) expect(value, name).toBe(values[name]);
  return values;
}

async function cellsOf(page: Page, workspaceId: string): Promise<Record<string, string>> {
  const row = page.locator('#workspaces tr').filter({ has: page.locator(`th:text-is("${workspaceId}")`) });
  const cells = await row.locator('td').all();
  const entries = cells.map(async (cell) => [await cell.getAttribute('data-label'), await cell.innerText()]);
  return Object.fromEntries(await Promise.all(entries));
}

async function expectNoFaults(page: Page): Promise<void> {
  await page.evaluate(axeSource);
  const violations = await page.evaluate(
    `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`,
  );
  expect(violations).toEqual([]);
}
