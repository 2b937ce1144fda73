/**
 * Renders the agent's live status. Text is inserted only as text nodes, so it can never be parsed as markup. Elements are kept and
 * updated only where they differ, so that focus, selection and a screen reader's position survive updates.
 */

const fallbackIntervalMs = 5000;
const datesShown = 14;
/** Six hours of five minutes. */
const trendPoints = 72;
const millisecondsPerDay = 86_400_000;

const titles = {
  shipping: 'Shipping',
  idle: 'All shipped',
  incomplete: 'Not everything shipped',
  starting: 'Starting',
  waiting: 'Waiting',
  failing: 'Cannot ship everything',
  stuck: 'Stuck',
};

const waitTitles = {
  collector: 'Waiting for the collector',
  deadLetterFile: 'Waiting to write dead letters',
  state: 'Waiting to write the state',
};

const numbers = new Intl.NumberFormat('en');
const byId = (id) => document.getElementById(id);

/** EventSource reconnects by itself. If the agent refuses the stream because too many pages are open, poll status.json instead. */
function listen() {
  const events = new EventSource('events');
  let fallback;
  events.onmessage = ({ data }) => {
    clearInterval(fallback);
    fallback = undefined;
    show(JSON.parse(data));
  };
  events.onerror = () => {
    setConnection('no', 'the agent is not responding');
    if (events.readyState === EventSource.CLOSED) fallback ??= setInterval(poll, fallbackIntervalMs);
  };
}

async function poll() {
  try {
    const response = await fetch('status.json');
    show(await response.json());
  } catch {
    setConnection('no', 'the agent is not responding');
  }
}

function setConnection(live, words) {
  const connection = byId('connection');
  if (connection.dataset.live !== live) connection.dataset.live = live;
  setText(connection, words);
}

function show(snapshot) {
  setConnection('yes', 'live');
  setText(byId('version'), snapshot.version);
  showState(snapshot);
  showLines(snapshot.lines);
  showDelivered(snapshot);
  showHistory(snapshot);
  showWorkspaces(snapshot);
  showSources(snapshot);
  showCounts('dead-letters', snapshot.waitingDeadLetters, ({ response, reason, count }) => ({
    key: `${response} ${reason}`,
    name: reason || response,
    count,
    detail: response,
  }));
  byId('replay').hidden = snapshot.waitingDeadLetters.length === 0;
  const { deadLetterFault } = snapshot;
  setText(
    byId('no-dead-letters'),
    deadLetterFault === undefined ? 'No dead letters.' : `Not known: ${deadLetterFault}`,
  );
  showDeadNotices(snapshot.notices.deadLettered);
  showCounts('faults', faultsOf(snapshot), ({ code, count, detail }) => ({
    key: code,
    name: code,
    href: adviceOn(code),
    count,
    detail,
  }));
  showSettings(snapshot.settings);
  setText(
    byId('process'),
    [
      `Uptime ${duration(snapshot.atMs - snapshot.startedAtMs)}`,
      `memory ${bytes(snapshot.residentBytes)}`,
      ...(snapshot.stateBytes === undefined ? [] : [`state ${bytes(snapshot.stateBytes)}`]),
      ...replicaTexts(snapshot.replicas),
    ].join(' · '),
  );
}

/** Those of this process, and those that the state knows from an earlier one. */
function faultsOf({ faults, unreadable, atMs: nowMs }) {
  const met = new Set(faults.map(({ code }) => code));
  return [
    ...faults.map(({ code, count, message, hint, atMs }) => ({
      code,
      count,
      detail: `${ago(nowMs - atMs)}: ${message}. ${hint ?? ''}`,
    })),
    ...unreadable
      .filter(({ code }) => !met.has(code))
      .map(({ code, count, object, hint }) => ({
        code,
        count,
        detail: `before this start: ${object}${count === 1 ? '' : ' and others'}. ${hint}`,
      })),
  ];
}

/** The page shows one process, so it says when there are others, and how they are. */
function replicaTexts(replicas) {
  if (replicas === undefined) return [];
  const { aliveCount, claimCount, others } = replicas;
  const texts = others.map(({ host, claimCount, unchangedMs, isAlive }) =>
    isAlive ? `${host} holds ${claimCount}` : `${host} has been silent for at least ${duration(unchangedMs)}`,
  );
  const own = `one of ${aliveCount} ${aliveCount === 1 ? 'replica' : 'replicas'}, holds ${claimCount} objects`;
  return [own, ...texts];
}

function showState({ health, waits, atMs }) {
  const status = health.status === 'waiting' && !health.ok ? 'failing' : health.status;
  const state = byId('state');
  if (state.dataset.status !== status) state.dataset.status = status;
  setText(byId('state-title'), titles[status]);
  setText(byId('state-reason'), health.reason);
  document.title = `${titles[status]} · databricks-audit-otel`;
  reconcile(
    byId('waits'),
    waits,
    ({ for: what }) => what,
    makeWait,
    (element, wait) => fillWait(element, wait, atMs),
  );
}

function makeWait() {
  return element('section', { class: 'panel wait' }, [
    element('h3'),
    element('p', { class: 'cause' }),
    element('p', { class: 'hint' }),
    element('p', { class: 'quiet' }, [element('span', { class: 'code' }), element('span', { class: 'retry' })]),
  ]);
}

function fillWait(wait, { for: what, code, message, hint, sinceMs, failedAttempts, retryAtMs }, atMs) {
  setText(wait.querySelector('h3'), waitTitles[what]);
  setText(wait.querySelector('.cause'), message);
  setText(wait.querySelector('.hint'), hint ?? '');
  const next = retryAtMs > atMs ? `next attempt in ${duration(retryAtMs - atMs)}` : 'retrying now';
  const attempts = `${numbers.format(failedAttempts)} failed ${failedAttempts === 1 ? 'attempt' : 'attempts'}`;
  setLink(wait.querySelector('.code'), code, adviceOn(code));
  setText(wait.querySelector('.retry'), ` · for ${duration(atMs - sinceMs)} · ${attempts} · ${next}. No data is lost.`);
}

function showLines(lines) {
  for (const figure of document.querySelectorAll('[data-figure]')) {
    const value = lines[figure.dataset.figure];
    setText(figure, numbers.format(value));
    figure.classList.toggle('alarming', figure.dataset.figure === 'deadLettered' && value > 0);
  }
}

/** The agent may still be summing it up. */
function showDelivered({ delivered, startedAtMs, atMs }) {
  showTime(byId('started'), startedAtMs, atMs);
  byId('delivered').hidden = delivered === undefined;
  if (delivered === undefined) return;
  for (const total of document.querySelectorAll('[data-total]'))
    setText(total, numbers.format(delivered[total.dataset.total]));
  setText(byId('delivered-since'), delivered.since);
}

/** What an operator has to look at, the worst first: not readable now, not readable to the end, not deliverable, silent, waiting. */
function severityOf({ deadLettered, silentSinceMs, waiting, damaged }) {
  if (waiting.fault !== undefined) return 5;
  if (damaged > 0) return 4;
  // Once all dead letters were replayed or discarded, they are no longer a problem.
  if (deadLettered > 0 && lastShown.waitingDeadLetters.length > 0) return 3;
  if (silentSinceMs !== undefined) return 2;
  return waiting.objectCount > 0 ? 1 : 0;
}

/** Objects of which at least a part was not shipped. */
const notShipped = ({ waiting, damaged }) => waiting.objectCount + damaged;
const recentLines = ({ dates }) => dates.reduce((sum, { lines }) => sum + lines, 0);

/** Larger comes first. */
const sortKeys = {
  worst: severityOf,
  lastEvent: ({ lastEventMs }) => lastEventMs ?? 0,
  lag: ({ lagMs }) => lagMs ?? -1,
  accepted: ({ accepted }) => accepted,
  deadLettered: ({ deadLettered }) => deadLettered,
  waiting: notShipped,
  recent: recentLines,
};

const byName = (one, other) => one.id.localeCompare(other.id, 'en', { numeric: true });
let sorting = 'worst';
let lastShown;

for (const button of document.querySelectorAll('[data-sort]')) {
  button.addEventListener('click', () => {
    sorting = sorting === button.dataset.sort ? 'worst' : button.dataset.sort;
    showWorkspaces(lastShown);
  });
}
for (const id of ['filter', 'only-problems']) byId(id).addEventListener('input', () => showWorkspaces(lastShown));

function selected(workspaces) {
  const wanted = byId('filter').value.trim().toLowerCase();
  const isSelected = (workspace) =>
    workspace.id.toLowerCase().includes(wanted) && (!byId('only-problems').checked || severityOf(workspace) > 0);
  const key = sortKeys[sorting];
  const compare = key === undefined ? byName : (one, other) => key(other) - key(one) || byName(one, other);
  return workspaces.filter(isSelected).sort(compare);
}

function showHistory({ history, startedAtMs }) {
  byId('history').hidden = history.length < 2;
  // The history is in memory only, so it starts with the agent.
  const since = `${new Date(startedAtMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  setText(byId('history-since'), history.length < trendPoints ? `since the agent started, ${since}` : '');
  for (const figure of document.querySelectorAll('[data-trend]')) drawTrend(figure, history, figure.dataset.trend);
}

function drawTrend(parent, history, figure) {
  if (history.length === 0) return;
  const shape = { class: 'trend', role: 'img', viewBox: '0 0 432 40', preserveAspectRatio: 'none' };
  const chart = parent.querySelector('svg') ?? parent.appendChild(svg('svg', shape));
  const values = history.map((point) => point[figure] ?? 0);
  const drawn = JSON.stringify([history.at(-1)?.atMs, values]);
  if (chart.dataset.drawn === drawn) return;
  chart.dataset.drawn = drawn;
  const highest = Math.max(1, ...values);
  const say = (value) => (figure === 'lagMs' ? duration(value) : numbers.format(value));
  setText(parent.querySelector('b'), say(values.at(-1)));
  chart.setAttribute('aria-label', `Last ${say(values.at(-1))}, at most ${say(Math.max(...values))}`);
  const first = trendPoints - values.length;
  chart.replaceChildren(
    ...values.map((value, index) => {
      const height = value === 0 ? 1 : Math.max(2, (value / highest) * 39);
      const className = value === 0 ? 'floor' : 'bar';
      const bar = svg('rect', { class: className, x: `${(first + index) * 6}`, y: 40 - height, width: 5, height });
      const title = svg('title');
      setText(title, `${new Date(history[index].atMs).toISOString().slice(11, 16)} UTC: ${say(value)}`);
      bar.append(title);
      return bar;
    }),
  );
}

function showWorkspaces(snapshot) {
  lastShown = snapshot;
  if (snapshot === undefined) return;
  const { workspaces, atMs } = snapshot;
  byId('no-workspaces').hidden = workspaces.length > 0;
  const dates = axisOf(workspaces);
  const chosen = selected(workspaces);
  setText(byId('shown'), chosen.length === workspaces.length ? '' : `${chosen.length} of ${workspaces.length}`);
  for (const button of document.querySelectorAll('[data-sort]')) {
    button.closest('th').ariaSort =
      button.dataset.sort === sorting ? (sorting === 'name' ? 'ascending' : 'descending') : null;
  }
  setText(byId('dates-head'), dates.length === 0 ? 'Lines per day' : `Lines per day, ${dates[0]} to ${dates.at(-1)}`);
  reconcile(
    byId('workspaces'),
    chosen,
    ({ id }) => id,
    makeWorkspace,
    (row, workspace) => {
      const cells = [...row.children];
      const { id, lastEventMs, lagMs, accepted, deadLettered, silentSinceMs, waiting, damaged } = workspace;
      setText(cells[0], id === '' ? '(no workspace folder)' : id === '_OTHER' ? '(all others)' : id);
      showTime(cells[1].firstChild.firstChild, lastEventMs, atMs, 'none yet');
      cells[1].firstChild.lastChild.hidden = silentSinceMs === undefined;
      setText(cells[2].firstChild, lagMs === undefined ? '' : duration(lagMs));
      setCount(cells[3], accepted);
      setCount(cells[4], deadLettered, deadLettered > 0);
      setCount(cells[5], notShipped(workspace), waiting.fault !== undefined || damaged > 0);
      const damagedText = damaged === 0 ? '' : `${numbers.format(damaged)} not readable to the end`;
      cells[5].title = waiting.fault?.message ?? damagedText;
      setCount(cells[6], recentLines(workspace));
      drawChart(cells[7].firstChild, dates, new Map(workspace.dates.map(({ date, lines }) => [date, lines])));
    },
  );
}

function makeWorkspace() {
  const number = (label) => cell(label, 'number', [element('span')]);
  return element('tr', { role: 'row' }, [
    element('th', { role: 'rowheader', scope: 'row' }),
    cell('Last event', '', [element('span', {}, [element('time'), element('span', { class: 'badge' }, ['silent'])])]),
    number('Lag'),
    number('Accepted'),
    number('Dead-lettered'),
    number('Not shipped'),
    number('14 days'),
    cell('Lines per day', '', [
      svg('svg', { class: 'chart', role: 'img', viewBox: '0 0 168 32', preserveAspectRatio: 'none' }),
    ]),
  ]);
}

/** The same days for all workspaces: the two weeks up to the newest date of any of them. */
function axisOf(workspaces) {
  const newest = workspaces
    .flatMap(({ dates }) => dates.map(({ date }) => date))
    .sort()
    .at(-1);
  if (newest === undefined) return [];
  const newestMs = Date.parse(`${newest}T00:00:00Z`);
  return Array.from({ length: datesShown }, (_, index) =>
    new Date(newestMs - (datesShown - 1 - index) * millisecondsPerDay).toISOString().slice(0, 10),
  );
}

function drawChart(chart, dates, linesByDate) {
  const values = dates.map((date) => linesByDate.get(date) ?? 0);
  const drawn = JSON.stringify([dates[0], values]);
  if (chart.dataset.drawn === drawn) return;
  chart.dataset.drawn = drawn;
  const highest = Math.max(1, ...values);
  const spoken = dates.flatMap((date, index) =>
    values[index] > 0 ? [`${date}: ${numbers.format(values[index])}`] : [],
  );
  chart.setAttribute('aria-label', spoken.length === 0 ? 'no lines' : `Lines per day. ${spoken.join(', ')}`);
  chart.replaceChildren(
    ...values.map((value, index) => {
      const height = value === 0 ? 1 : Math.max(2, (value / highest) * 31);
      const bar = svg('rect', {
        class: value === 0 ? 'floor' : 'bar',
        x: index * 12,
        y: 32 - height,
        width: 9,
        height,
        rx: 1,
      });
      const title = svg('title');
      setText(title, `${dates[index]}: ${numbers.format(value)} lines`);
      bar.append(title);
      return bar;
    }),
  );
}

function showSources({ sources, atMs }) {
  // Without notifications, listings find everything.
  const hasNotifications = sources.some(({ notified }) => notified !== undefined);
  byId('sources').parentElement.classList.toggle('without-notifications', !hasNotifications);
  reconcile(
    byId('sources'),
    sources,
    ({ name }) => name,
    makeSource,
    (row, source) => {
      const [name, polled, listed, unchanged, found, fault] = row.children;
      setText(name, source.name);
      name.title = source.name;
      showTime(polled.firstChild, source.completelyPolledAtMs, atMs, 'not yet');
      setCount(listed, source.listed);
      setCount(unchanged, source.unchanged);
      setText(found.firstChild, foundBy(source));
      const { lastFault } = source;
      setText(
        fault.firstChild,
        lastFault === undefined
          ? 'none'
          : `${ago(atMs - lastFault.atMs)}: ${lastFault.message}. ${lastFault.hint ?? ''}`,
      );
      fault.classList.toggle('zero', lastFault === undefined);
      fault.classList.toggle('alarming', source.fault !== undefined);
    },
  );
}

function foundBy({ found, notified }) {
  const { notification, listing, catchUp } = found;
  if (notified === undefined) return `listing ${numbers.format(listing + catchUp)}`;
  const counts = [`notification ${numbers.format(notification)}`, `listing only ${numbers.format(listing)}`];
  return [...counts, `at the start ${numbers.format(catchUp)}`].join(', ');
}

function makeSource() {
  return element('tr', { role: 'row' }, [
    element('th', { role: 'rowheader', scope: 'row' }),
    cell('Last complete poll', '', [element('time')]),
    cell('Listed', 'number', [element('span')]),
    cell('Unchanged', 'number', [element('span')]),
    cell('New, found by', 'text', [element('span')]),
    cell('Last fault', 'text', [element('span')]),
  ]);
}

function showCounts(id, entries, describe) {
  byId(`no-${id}`).hidden = entries.length > 0;
  reconcile(
    byId(id),
    entries.map(describe),
    ({ key }) => key,
    makeCount,
    (item, { name, href, count, detail }) => {
      setLink(item.children[0], name, href);
      setText(item.children[1], numbers.format(count));
      setText(item.children[2], detail);
    },
  );
}

/** Explains why the dead letters may exceed the dead-lettered lines: silence notices are not lines. */
function showDeadNotices(count) {
  byId('dead-notices').hidden = count === 0;
  setText(
    byId('dead-notices'),
    `Includes ${numbers.format(count)} silence ${count === 1 ? 'notice' : 'notices'}, which the line counts above exclude.`,
  );
}

function makeCount() {
  return element('li', {}, [
    element('span', { class: 'name' }),
    element('span', { class: 'count' }),
    element('span', { class: 'detail' }),
  ]);
}

/** Settings never change while the agent runs. */
function showSettings(settings) {
  const list = byId('settings');
  if (list.children.length > 0) return;
  list.append(...settings.flatMap(({ name, value }) => [element('dt', {}, [name]), element('dd', {}, [value])]));
}

function reconcile(parent, entries, keyOf, make, fill) {
  const present = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  entries.forEach((entry, index) => {
    const key = keyOf(entry);
    const child = present.get(key) ?? make();
    present.delete(key);
    child.dataset.key = key;
    fill(child, entry);
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  for (const child of present.values()) child.remove();
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function adviceOn(code) {
  return `errors#${code.toLowerCase()}`;
}

function setLink(node, text, href) {
  if (node.textContent === text) return;
  node.replaceChildren(href === undefined ? text : element('a', { href }, [text]));
}

function setCount(cell, count, isAlarming = false) {
  setText(cell.firstChild, numbers.format(count));
  cell.classList.toggle('zero', count === 0);
  cell.classList.toggle('alarming', isAlarming);
}

function showTime(node, timeMs, atMs, absent) {
  setText(node, timeMs === undefined ? absent : ago(atMs - timeMs));
  node.classList.toggle('zero', timeMs === undefined);
  if (timeMs === undefined) return;
  const iso = new Date(timeMs).toISOString();
  if (node.dateTime === iso) return;
  node.dateTime = iso;
  node.title = iso;
}

function ago(durationMs) {
  return durationMs < 1500 ? 'now' : `${duration(durationMs)} ago`;
}

/** One number and one unit. */
function duration(durationMs) {
  const seconds = Math.max(0, Math.round(durationMs / 1000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${numbers.format(Math.round(seconds / 86_400))} days`;
}

function bytes(count) {
  if (count < 1024 * 1024) return `${Math.round(count / 1024)} KiB`;
  const mebibytes = count / 1024 / 1024;
  return mebibytes < 10 ? `${mebibytes.toFixed(1)} MiB` : `${numbers.format(Math.round(mebibytes))} MiB`;
}

function cell(label, className, children) {
  return element('td', { role: 'cell', 'data-label': label, class: className }, children);
}

function element(name, attributes = {}, children = []) {
  return withContent(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}) {
  return withContent(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, []);
}

function withContent(made, attributes, children) {
  for (const [attribute, value] of Object.entries(attributes)) if (value !== '') made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

listen();
