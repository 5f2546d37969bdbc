'use strict';
// What the page shows is text of the gateway's: it is set as text, never as markup.

const SECONDS = 300;
const BATCH_NAMES = ['1', '2', '≤4', '≤8', '≤16', '≤32', '≤64', '≤128', '>128'];
const seconds = [];
let paused = false;

const byId = (id) => document.getElementById(id);
const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const cell = (text, name = 'td', className = 'number') => element(name, { textContent: text, className });
const number = (value) => Number.isInteger(value) || value >= 100 ? Math.round(value).toLocaleString('en') : value >= 10 ? value.toFixed(1) : String(Math.round(value * 100) / 100);
const percent = (share) => (share > 0 && share < 0.001 ? '<0.1' : (share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)) + ' %';
const time = (us) => us <= 0 ? '–' : us < 1000 ? `${number(us)} µs` : us < 1e6 ? `${number(us / 1000)} ms` : `${number(us / 1e6)} s`;
const clock = (seconds1970) => new Date(seconds1970 * 1000).toLocaleTimeString('en-GB');
const sum = (counts) => Object.values(counts).reduce((all, count) => all + count, 0);
const series = (name, share) => {
  const part = element('i');
  part.dataset.series = name;
  part.style.flexGrow = Math.max(share, 0);
  return part;
};
// A style attribute is not allowed by the page's policy; its properties are. On a phone a row of a stacked
// table is a block whose cells say which column they are of.
const fill = (body, rows) => {
  const stacked = byId(body).closest('table.stacked');
  const heads = stacked ? [...stacked.tHead.rows[0].cells] : [];
  for (const row of rows) heads.forEach((head, at) => { row.cells[at].dataset.label = head.textContent; });
  byId(body).replaceChildren(...rows);
};

// ---- what is drawn ---------------------------------------------------------------------------

const requestPhase = (second) => second.phases.find((phase) => phase.name === 'request');
const notOk = (second) => {
  const all = sum(second.responses);
  return all ? 1 - (second.responses[200] || 0) / all : 0;
};
// The share of the rows that asked for stored features and were scored without them, or on old ones.
const notStored = (second) => {
  const all = sum(second.features);
  const { stored = 0, cached = 0 } = second.features;
  return all ? 1 - (stored + cached) / all : 0;
};

// The 99th percentile of the values: of fewer than a hundred the highest.
const p99Of = (values) => values.slice().sort((one, other) => one - other)[Math.ceil(values.length * 0.99) - 1];

// Each value's height between 0 and 1; what is above the 99th percentile is cut off there, so that one
// outlier does not flatten all others.
const heights = (values) => {
  const top = p99Of(values);
  return values.map((value) => (top > 0 ? Math.min(value / top, 1) : value > 0 ? 1 : 0));
};

// The line fills its tile, however few seconds there are.
function drawLine(id, values) {
  const shown = values.length > 1 ? heights(values) : [0, 0].map(() => heights(values)[0]);
  byId(id).setAttribute('viewBox', `0 0 ${shown.length - 1} 40`);
  const points = shown.map((height, at) => `${at},${(38 - 36 * height).toFixed(1)}`);
  const make = (d, className) => {
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', d);
    path.setAttribute('class', className);
    return path;
  };
  byId(id).replaceChildren(
    make(`M0,40L${points.join('L')}L${shown.length - 1},40Z`, 'area'), make('M' + points.join('L'), 'top'));
}

function drawTiles(now) {
  byId('rate').textContent = number(now.requests_per_s);
  byId('p50').textContent = time(requestPhase(now).p50_us);
  byId('p99').textContent = time(requestPhase(now).p99_us);
  byId('errors').textContent = percent(notOk(now));
  byId('errors').className = notOk(now) > 0.01 ? 'bad' : '';
  byId('unstored').textContent = sum(now.features) ? percent(notStored(now)) : '–';
  byId('unstored').className = notStored(now) <= 0.01 ? '' : now.features.error ? 'bad' : 'warn';
  drawLine('rate-line', seconds.map((second) => second.requests_per_s));
  drawLine('p50-line', seconds.map((second) => requestPhase(second).p50_us));
  drawLine('p99-line', seconds.map((second) => requestPhase(second).p99_us));
  drawLine('errors-line', seconds.map(notOk));
  drawLine('unstored-line', seconds.map(notStored));
}

function drawCores(now) {
  fill('core-rows', now.shards.map((shard) => {
    const bar = element('div', { className: 'stack' });
    const rest = Math.max(shard.busy - shard.features - shard.model, 0);
    const idle = element('i');
    idle.style.flexGrow = Math.max(1 - shard.features - shard.model - rest, 0);
    bar.append(series('features', shard.features), series('model', shard.model), series('rest', rest), idle);
    const busy = element('div', { className: 'busy' }, bar, element('span', { textContent: percent(shard.busy) }));
    const name = cell(`core ${shard.core}`, 'th', shard.answered ? '' : 'bad');
    name.scope = 'row';
    if (!shard.answered) name.textContent += ' (no answer)';
    return element('tr', {}, name, cell(number(shard.requests_per_s)), cell(time(shard.p50_us)),
      cell(time(shard.p99_us)), element('td', {}, busy), cell(number(shard.connections)),
      cell(number(shard.queue_rows), 'td', shard.queue_rows > 256 ? 'number warn' : 'number'));
  }));
}

function drawPhases(now) {
  const request = requestPhase(now);
  const parts = now.phases.filter((phase) => phase.name !== 'request');
  const known = parts.reduce((all, phase) => all + phase.mean_us, 0);
  const rest = { name: 'rest', mean_us: Math.max(request.mean_us - known, 0) };
  byId('phase-bar').replaceChildren(...[...parts, rest].map((phase) => series(phase.name, phase.mean_us)));
  const row = (phase) => {
    const name = cell(phase.name === 'rest' ? 'HTTP and the rest' : phase.name, 'th', 'key');
    name.dataset.series = phase.name;
    name.scope = 'row';
    const quantile = (key) => cell(key in phase ? time(phase[key]) : '');
    return element('tr', {}, name, cell(time(phase.mean_us)), quantile('p50_us'), quantile('p99_us'));
  };
  fill('phase-rows', [...parts, rest, request].map(row));
}

// The last ten seconds: single seconds of these jump about.
function lately(count) {
  const last = seconds.slice(-10);
  const total = {};
  for (const second of last) {
    for (const [key, value] of Object.entries(count(second))) total[key] = (total[key] || 0) + value;
  }
  return { total, elapsed: sum(last.map((second) => second.elapsed_s)) };
}

function drawBatches() {
  const { total } = lately((second) => ({ ...second.batch_rows }));
  const counts = BATCH_NAMES.map((_, at) => total[at] || 0);
  const most = Math.max(...counts, 1);
  const all = sum(counts);
  byId('batches').replaceChildren(...counts.map((count, at) => {
    const bar = element('i', { title: `${BATCH_NAMES[at]} ${at ? 'rows' : 'row'}: ${counted(count, 'batch', 'batches')}` });
    bar.style.height = `${80 * count / most}%`;
    const share = element('span', { textContent: count ? percent(count / all) : '' });
    return element('div', {}, share, bar, element('span', { textContent: BATCH_NAMES[at] }));
  }));
  byId('batch-text').textContent = all ? `${counted(all, 'batch', 'batches')} in the last 10 s, by rows` : 'no batch in the last 10 s';
}

function drawFeatures() {
  const { total, elapsed } = lately((second) => second.features);
  const all = sum(total);
  const rows = ['stored', 'cached', 'stale', 'expired', 'missing', 'error'];
  const tone = { error: 'bad', stale: 'warn', expired: 'warn', missing: 'warn' };
  fill('feature-rows', rows.map((status) => {
    const count = total[status] || 0;
    const name = cell(status, 'th', count ? tone[status] || '' : '');
    name.scope = 'row';
    const bar = element('div', { className: 'stack' }, series(tone[status] || 'features', count));
    const others = element('i');
    others.style.flexGrow = Math.max(all - count, all ? 0 : 1);
    bar.append(others);
    return element('tr', {}, name, cell(number(count / elapsed)), element('td', {}, bar));
  }));
}

// A counter's name ends with _total; of a gauge, which has no sum, the last five minutes mean nothing.
function drawCounters(now) {
  const total = {};
  for (const second of seconds) {
    for (const [name, count] of Object.entries(second.counters)) total[name] = (total[name] || 0) + count;
  }
  fill('counter-rows', Object.keys(total).sort().map((key) => {
    const isCounter = key.endsWith('_total');
    const name = cell(key, 'th', '');
    name.scope = 'row';
    const current = now.counters[key] || 0;
    return element('tr', {}, name, cell(number(isCounter ? current / now.elapsed_s : current)),
      cell(isCounter ? number(total[key]) : ''));
  }));
}

function drawAnswers(now) {
  const total = { 200: 0 };
  for (const second of seconds) {
    for (const [status, count] of Object.entries(second.responses)) total[status] = (total[status] || 0) + count;
  }
  fill('answer-rows', Object.entries(total).map(([status, count]) => {
    const name = cell(status, 'th', status >= 500 ? 'bad' : status >= 400 ? 'warn' : '');
    name.scope = 'row';
    return element('tr', {}, name, cell(number((now.responses[status] || 0) / now.elapsed_s)), cell(number(count)));
  }));
  const { total: failed } = lately((second) => second.failed);
  const reasons = Object.entries(failed).map(([reason, count]) => `${reason.replaceAll('_', ' ')} ${number(count)}`);
  byId('failed').textContent = reasons.length ? `Rows without a score, last 10 s: ${reasons.join(', ')}` : '';
}

// ---- models and events -----------------------------------------------------------------------

function showStatus(status) {
  byId('version').textContent = status.version.version;
  byId('store-faults').replaceChildren(...status.store_faults.map((fault) => element('li', { textContent: fault })));
  byId('unfit').replaceChildren(...status.unfit.map((unfit) => element('li', { textContent: `${unfit.model} ${unfit.version}: ${unfit.reason}` })));
  facts = status;
  statuses = status.statuses;
  drawPill();
  served = mergeLanes(status.models, status.shards.map((shard) => shard.core));
  drawModels();
  const events = status.events.slice().reverse().map((event) => element('li', {},
    element('time', { textContent: clock(event.time_s) }),
    element('strong', { textContent: event.level.toLowerCase() + ' ', className: event.level === 'ERROR' ? 'bad' : 'warn' }),
    event.text));
  byId('events').replaceChildren(...(events.length ? events : [element('li', { textContent: 'None since the start.', className: 'quiet' })]));
}

byId('reload').addEventListener('click', async () => {
  const button = byId('reload');
  button.disabled = true;
  byId('reload-text').textContent = 'loading …';
  try {
    const answer = await fetch('/reload', { method: 'POST', headers: { ...authorization(), 'content-type': 'application/json' }, body: '{}' });
    const said = await answer.json();
    byId('reload-text').textContent = answer.ok ? `serving ${said.models.join(', ')}` : said.error;
  } catch (error) {
    byId('reload-text').textContent = String(error);
  }
  button.disabled = false;
});

// ---- the stream ------------------------------------------------------------------------------

const authorization = () => {
  const token = sessionStorage.getItem('token');
  return token ? { authorization: `Bearer ${token}` } : {};
};

function draw() {
  const now = seconds.at(-1);
  if (paused || document.hidden || !now) return;
  drawTiles(now);
  drawCores(now);
  drawPhases(now);
  drawBatches();
  drawFeatures();
  drawAnswers(now);
  drawCounters(now);
  drawHeat();
  drawModels();
  drawModelAnswers();
  drawFacts(now);
}

function take(event, data) {
  if (event === 'status') return showStatus(JSON.parse(data));
  if (event === 'drift') drifts = JSON.parse(data);
  if (event !== 'second') return;
  seconds.push(JSON.parse(data));
  if (seconds.length > SECONDS) {
    seconds.shift();
    if (cursor !== null) cursor = Math.max(cursor - 1, 0);
  }
  drawPill();
}

// EventSource cannot send a token, so the stream is read as the text that it is.
async function read(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
      take(fields.event, fields.data);
    }
    draw();
  }
}

async function connect() {
  try {
    const answer = await fetch('/events', { headers: authorization() });
    if (answer.status === 401) return askForToken();
    if (!answer.ok) throw new Error((await answer.json()).error);
    seconds.length = 0;
    drifts = [];
    await read(answer);
  } catch (error) {
    byId('version').textContent = error instanceof TypeError ? '' : String(error.message);
  }
  facts = null;
  setState('offline');
  setTimeout(connect, 2000);
}

function askForToken() {
  byId('login-error').textContent = sessionStorage.getItem('token') ? 'That is not the token.' : '';
  byId('login').hidden = false;
  byId('main').hidden = true;
  byId('token').focus();
}
byId('login').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem('token', byId('token').value);
  byId('login').hidden = true;
  byId('main').hidden = false;
  connect();
});

// ---- the page itself -------------------------------------------------------------------------

const themes = ['auto', 'light', 'dark'];
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  byId('theme').textContent = `Theme: ${theme}`;
  draw();
}
byId('theme').addEventListener('click', () => {
  const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
  localStorage.setItem('theme', next);
  setTheme(next);
});
byId('pause').addEventListener('click', () => {
  paused = !paused;
  byId('pause').setAttribute('aria-pressed', paused);
  byId('pause').textContent = paused ? 'Go on' : 'Pause';
  draw();
});
watchHeat();
window.addEventListener('resize', draw);
document.addEventListener('visibilitychange', draw);
setTheme(themes.includes(localStorage.getItem('theme')) ? localStorage.getItem('theme') : 'auto');
connect();
