'use strict';
// What each version answers: its scores beside those of the training, decisions, rules, reasons, drift, and how far
// a canary and a shadow are from what is stable.

const ANSWER_SECONDS = 60;
const REASONS_SHOWN = 6;
const RULES_SHOWN = 8;
const COLUMNS_SHOWN = 5;
const CATEGORY_SHOWN = 24;
// By custom of the population stability index: from here something moved, from there much did.
const DRIFT_SOME = 0.1, DRIFT_MUCH = 0.25, DRIFT_FULL = 0.5;
// Each with its model, its version, a column or null for the score, and its index; of a column of text the
// categories that moved most, each with its text or null for all others, and its shares.
let drifts = [];

// What a version answered in the last seconds, added up.
function answered(model, count = ANSWER_SECONDS) {
  const last = seconds.slice(-count);
  const mine = last.flatMap((second) => (second.answers ?? []).filter((other) => isVersion(other, model)));
  const total = (key) => mine.reduce((all, one) => all + one[key], 0);
  const each = (key) => mine.reduce((all, one) => one[key].map((value, at) => value + (all[at] ?? 0)), []);
  return {
    elapsed: sum(last.map((second) => second.elapsed_s)), rows: total('rows'), explained: total('explained'),
    // What a rule decided before the model has no score.
    mean: total('scores_sum') / (total('rows') - total('rows_decided')), scores: each('scores'),
    decisions: each('decisions'), rules: each('rules'), reasons: each('reasons'),
    entities: model.entities.map((name, at) => ({
      name, rows: each('entity_rows').slice(at * statuses.length, (at + 1) * statuses.length),
      age_s: each('entity_age_s')[at] / each('entity_ages')[at], wait_us: each('entity_wait_us')[at] / each('entity_waits')[at],
    })),
  };
}

const signed = (value) => (value < 0 ? '−' : '+') + difference(Math.abs(value));

// The variance of probabilities, of which it is known in which part of 0 to 1 each is.
function variance({ scores, mean, rows }) {
  const terms = scores.map((count, at) => count * ((at + 0.5) / scores.length - mean) ** 2);
  return sum(terms) / rows;
}

// How far the canary's mean score is from the stable one's, with twice its standard error where that is
// known; empty without scores of both.
function canaryText(canary, stable) {
  if (!canary.rows || !stable.rows) return '';
  const known = canary.scores.length && stable.scores.length;
  const error = known ? ` ± ${difference(2 * Math.sqrt(variance(canary) / canary.rows + variance(stable) / stable.rows))}` : '';
  return `mean score ${signed(canary.mean - stable.mean)}${error} beside stable (${counted(canary.rows, 'row')} beside ${number(stable.rows)}, last 5 min)`;
}

function shadowText({ compared = 0, mean = 0, mean_absolute = 0 } = {}) {
  if (!compared) return 'no copy scored yet';
  return `differs by ${difference(mean_absolute)} on average, ${signed(mean)} with its sign (${counted(compared, 'copy', 'copies')})`;
}

// Bars for the parts of 0 to 1, each with a line at the share that the training data had there.
function scoreColumns(scores, shares) {
  const all = Math.max(sum(scores), 1);
  const now = scores.map((count) => count / all);
  const most = Math.max(...now, ...shares, 1e-9);
  const columns = now.map((share, at) => {
    const from = (at / now.length).toFixed(2), to = ((at + 1) / now.length).toFixed(2);
    const then = shares.length ? `, in training ${percent(shares[at])}` : '';
    const bar = element('i');
    bar.style.height = `${100 * share / most}%`;
    const column = element('div', { title: `${from} to ${to}: ${percent(share)}${then}` }, bar);
    if (shares.length) {
      const line = element('b');
      line.style.bottom = `${100 * shares[at] / most}%`;
      column.append(line);
    }
    return column;
  });
  const axis = element('p', { className: 'axis' }, ...['0', '0.5', '1'].map((text) => element('span', { textContent: text })));
  return element('div', {}, element('div', { className: 'scores', role: 'img', ariaLabel: 'Scores by their size' }, ...columns), axis);
}

const part = (title, ...content) => element('div', { className: 'part' }, element('h4', { textContent: title }), ...content);
const note = (text) => element('p', { className: 'quiet', textContent: text });

// Rows of a name, a number and a bar that is full at a share of 1.
function bars(rows) {
  return element('table', {}, element('tbody', {}, ...rows.map(({ name, text, share, tone = '', series: kind = 'model' }) => {
    const bar = element('div', { className: 'stack' }, series(kind, share));
    const rest = element('i');
    rest.style.flexGrow = Math.max(1 - share, 0);
    bar.append(rest);
    // It may be broken after each underscore.
    const head = cell(name.replaceAll('_', '_\u200b'), 'th', tone);
    head.scope = 'row';
    return element('tr', {}, head, cell(text), element('td', { className: 'bar-column' }, bar));
  })));
}

function decisionBars(model, did) {
  return bars(model.decisions.map((name, at) => {
    const count = did.decisions[at] ?? 0;
    return { name, text: `${number(count / Math.max(did.elapsed, 1e-3))}/s`, share: count / Math.max(did.rows, 1) };
  }));
}

// The rules that decided most, those that never did last.
function ruleBars(model, did) {
  const found = model.rules.map((name, at) => ({ name, count: did.rules[at] ?? 0 }));
  found.sort((one, other) => other.count - one.count);
  const rate = (count) => `${number(count / Math.max(did.elapsed, 1e-3))}/s`;
  return bars(found.slice(0, RULES_SHOWN).map(({ name, count }) => ({ name, text: rate(count), share: count / Math.max(did.rows, 1) })));
}

// The reasons that were given most, each with the share of the explained rows that it was given for.
function mostReasons(codes, did) {
  const found = codes.map((name, at) => ({ name, count: did.reasons[at] ?? 0 })).filter((reason) => reason.count);
  found.sort((one, other) => other.count - one.count);
  return found.slice(0, REASONS_SHOWN).map(({ name, count }) => ({ name, text: percent(count / did.explained), share: count / did.explained }));
}

const driftTone = (index) => (index >= DRIFT_MUCH ? 'bad' : index >= DRIFT_SOME ? 'warn' : '');

// The score's drift, and that of the columns which moved most.
function driftRows(model) {
  const mine = drifts.filter((drift) => isVersion(drift, model));
  const columns = mine.filter((drift) => drift.column !== null).sort((one, other) => other.index - one.index);
  const shown = [...mine.filter((drift) => drift.column === null), ...columns.slice(0, COLUMNS_SHOWN)];
  return shown.map(({ column, index }) => ({
    name: column ?? 'score', text: index.toFixed(index < 0.1 ? 3 : 2), share: Math.min(index / DRIFT_FULL, 1), tone: driftTone(index), series: driftTone(index) || 'model',
  }));
}

// Of the columns of text that moved, which of their categories did.
function driftCategories(model) {
  const moved = drifts.filter((drift) => isVersion(drift, model) && drift.categories && drift.index >= DRIFT_SOME);
  moved.sort((one, other) => other.index - one.index);
  const named = (text) => (text === null ? 'all others' : text.length > CATEGORY_SHOWN ? `${text.slice(0, CATEGORY_SHOWN)}…` : text || '(empty)');
  return moved.slice(0, COLUMNS_SHOWN).map(({ column, categories }) => {
    const shares = categories.map(({ text, now, then }) => `${named(text)} ${percent(now)}, in training ${percent(then)}`);
    return `${column}: ${shares.join('; ')}`;
  });
}

function driftPart(model) {
  const rows = driftRows(model);
  const notes = driftCategories(model);
  if (!rows.length) notes.push('fewer than 1,000 rows in the last hour');
  if (model.has_probabilities && !model.score_shares.length) notes.push('scores: model.toml has no [output] shares');
  return part('Drift (PSI), last hour', ...(rows.length ? [bars(rows)] : []), ...notes.map(note));
}

// What the features of each entity stood on: the share that is of now, how old they were, how long their table took.
function entityRows(did) {
  return did.entities.map(({ name, rows, age_s, wait_us }) => {
    const all = sum(rows);
    const shares = statuses.map((status, at) => ({ status, share: (rows[at] ?? 0) / Math.max(all, 1) })).filter(({ share }) => share);
    const fresh = sum(shares.filter(({ status }) => ['stored', 'cached'].includes(status)).map(({ share }) => share));
    const texts = shares.map(({ status, share }) => `${status} ${percent(share)}`);
    if (age_s >= 0) texts.push(`age ${duration(age_s)}`);
    if (wait_us >= 0) texts.push(`table ${time(wait_us)}`);
    const tone = !all ? '' : shares.some(({ status }) => status === 'error') ? 'bad' : fresh < 0.99 ? 'warn' : '';
    return { name, text: texts.join(', ') || '–', share: fresh, tone, series: tone || 'features' };
  });
}

// One version that answers.
function versionAnswers(model) {
  const did = answered(model);
  const parts = [];
  if (model.has_probabilities) {
    const legend = model.score_shares.length ? 'Scores; lines: training data' : 'Scores';
    parts.push(part(legend, scoreColumns(did.scores.length ? did.scores : Array(20).fill(0), model.score_shares)));
  }
  if (model.decisions.length) parts.push(part('Decisions', decisionBars(model, did)));
  if (model.rules.length) parts.push(part('Rules', ruleBars(model, did)));
  if (model.reasons.length) {
    const reasons = mostReasons(model.reasons, did);
    parts.push(part(did.explained ? `Reasons of ${counted(did.explained, 'explained row')}` : 'Reasons', reasons.length ? bars(reasons) : note('no row explained in the last minute')));
  }
  if (model.entities.length) parts.push(part('Entities, last minute', bars(entityRows(did))));
  parts.push(driftPart(model));
  const mean = Number.isFinite(did.mean) ? `, mean ${did.mean.toFixed(3)}` : '';
  const said = ` version ${model.version}, ${model.role}: ${counted(did.rows, 'score')} in the last minute${mean}`;
  return element('div', { className: 'version' },
    element('h3', {}, model.model, element('span', { className: 'quiet', textContent: said })), element('div', { className: 'parts' }, ...parts));
}

// How the canary and the shadow of a model are beside what is stable.
function besides(model, versions) {
  const of = (role) => versions.find((other) => other.model === model && other.role === role);
  const [stable, canary, shadow] = ['stable', 'canary', 'shadow'].map(of);
  const found = [];
  if (canary && stable) {
    const text = canaryText(answered(canary, SECONDS), answered(stable, SECONDS));
    if (text) found.push(`canary ${canary.version}: ${text}`);
  }
  if (shadow) found.push(`shadow ${shadow.version}: ${shadowText(lately10(shadow).shadow)}`);
  return found;
}

function drawModelAnswers() {
  const versions = served.filter((model) => !model.retired);
  const order = ['stable', 'canary'];
  const models = [...new Set(versions.map((model) => model.model))].sort();
  fill('model-answers', models.flatMap((name) => {
    const mine = versions.filter((model) => model.model === name && order.includes(model.role));
    mine.sort((one, other) => order.indexOf(one.role) - order.indexOf(other.role));
    return [...mine.map(versionAnswers), ...besides(name, versions).map((text) => element('p', { className: 'beside', textContent: text }))];
  }));
}
