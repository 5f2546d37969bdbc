'use strict';
// What is served, and from where: the models, and what is known of the process and its store.

let served = [];
// Null until the gateway has said what it is.
let facts = null;
// What features stand on, in the order in which rows are counted by it.
let statuses = [];

const counted = (count, one, more = one + 's') => `${number(count)} ${count === 1 ? one : more}`;

const difference = (mean) => (mean ? mean.toPrecision(2) : '0');

// Two units of a duration.
function duration(seconds) {
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  const first = Math.max(units.findIndex(([, length]) => seconds >= length), 0);
  const start = seconds >= 1 ? first : units.length - 1;
  let rest = Math.max(seconds, 0);
  return units.slice(start, start + 2).map(([unit, length]) => {
    const count = Math.floor(rest / length);
    rest -= count * length;
    return `${count} ${unit}`;
  }).join(' ');
}

// Whether two are of one version. It comes as text or as a number, and what a number is rounded to, the text is too.
const isVersion = (one, other) => one.model === other.model && Number(one.version) === Number(other.version);

// One entry a version of a model, of all shards.
function mergeLanes(lanes, cores) {
  const models = new Map();
  for (const lane of lanes) {
    const key = `${lane.model}/${lane.version}/${lane.retired}`;
    const known = models.get(key) || { ...lane, cores: [] };
    known.cores.push(cores[lane.shard]);
    known.load_ms = Math.max(known.load_ms, lane.load_ms);
    models.set(key, known);
  }
  return [...models.values()];
}

// What a version did in the last ten seconds; of its p99 the newest second in which it was asked.
function lately10(model) {
  const last = seconds.slice(-10);
  const mine = last.map((second) => second.models.find((other) => isVersion(other, model)));
  const asked = mine.filter((second) => second?.requests_per_s > 0);
  const all = last.reduce((total, second) => total + second.models.filter((other) => other.model === model.model)
    .reduce((sum, other) => sum + other.requests_per_s, 0), 0);
  const rate = asked.reduce((total, second) => total + second.requests_per_s, 0);
  return {
    rate: last.length ? rate / last.length : 0,
    p99_us: asked.at(-1)?.p99_us ?? 0,
    share: all ? rate / all : 0,
    shadow: mine.findLast((second) => second?.shadow)?.shadow,
  };
}

// What a version is for, with how it does: a canary's share of the requests, a shadow's difference.
function roleOf(model, did) {
  if (model.retired) return 'replaced';
  if (model.role === 'canary') return `canary, ${percent(did.share)} of the requests`;
  if (model.role !== 'shadow') return model.role;
  const { compared = 0, mean_absolute = 0 } = did.shadow ?? {};
  return compared ? `shadow, differs by ${difference(mean_absolute)} on average (${counted(compared, 'copy', 'copies')})` : 'shadow, no copy scored yet';
}

// Whether a version can't read the store as it is now.
const isUnfit = (model) => !model.retired && facts?.unfit.some((unfit) => isVersion(unfit, model));

function drawModels() {
  fill('model-rows', served.map((model) => {
    const did = lately10(model);
    const name = cell(model.model, 'th', isUnfit(model) ? 'bad' : '');
    name.scope = 'row';
    const idle = model.retired || model.role === 'shadow';
    const cores = (model.cores.length === 1 ? 'core ' : 'cores ') + model.cores.join(', ');
    return element('tr', { className: model.retired ? 'quiet' : '' }, name, cell(model.version),
      cell(roleOf(model, did), 'td', 'words'), cell(idle ? '–' : number(did.rate)), cell(idle ? '–' : time(did.p99_us)),
      cell(model.kernel, 'td', 'kernel'), cell(model.columns), cell(time(model.load_ms * 1000)), cell(model.retired ? '–' : cores, 'td', ''));
  }));
}

function drawFacts(now) {
  if (!facts) return;
  const { store, started_s } = facts;
  const parts = [`up ${duration(now.time_s - started_s)}`, store.address];
  if (store.users !== null) parts.push(counted(store.users, 'user'));
  if (store.imported_s !== null) parts.push(`last import ${duration(now.time_s - store.imported_s)} ago`);
  fill('facts', parts.map((text) => element('li', { textContent: text })));
}
