'use strict';
const byId = (id) => document.getElementById(id);

/** An element with attributes and children; texts are never read as HTML. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function authorization() {
  const token = sessionStorage.getItem('token');
  return token ? { authorization: `Bearer ${token}` } : {};
}

let description = {};

function resolve(schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split('/').reduce((part, name) => (part || {})[name], description) || {};
}

/** A schema in a few words. */
function words(schema) {
  const known = resolve(schema);
  const parts = known.oneOf || known.anyOf;
  if (parts) return parts.map(words).join(' or ');
  if (known.enum) {
    const shown = known.enum.slice(0, 12).map((value) => JSON.stringify(value)).join(', ');
    return known.enum.length > 12 ? `${shown}, … (${known.enum.length})` : shown;
  }
  let text = [].concat(known.type || known.title || 'any').join(' or ');
  if (known.minimum !== undefined || known.maximum !== undefined) text += `, ${known.minimum ?? '…'} to ${known.maximum ?? '…'}`;
  if (known.default !== undefined) text += `, ${JSON.stringify(known.default)} where not given`;
  return text;
}

/** The object among the forms that a body may have. */
function objectOf(schema) {
  const known = resolve(schema);
  if (known.properties) return known;
  for (const part of known.oneOf || known.anyOf || []) {
    const found = objectOf(part);
    if (found) return found;
  }
  return null;
}

function table(schema) {
  const object = objectOf(schema);
  if (!object) return make('p', { class: 'quiet' }, words(schema));
  const required = new Set(object.required || []);
  const rows = Object.entries(object.properties).map(([name, member]) => make('tr', {},
    make('td', {}, make('code', {}, name), required.has(name) ? ' *' : ''),
    make('td', {}, words(member)),
    make('td', { class: 'quiet' }, resolve(member).description || '')));
  return make('table', {}, make('tbody', {}, ...rows));
}

function json(part) {
  return ((part || {}).content || {})['application/json'] || {};
}

function curl(method, path, body) {
  const quoted = body.replaceAll("'", "'\\''");
  const key = description.security ? " -H 'x-api-key: …'" : '';
  return method === 'post' ? `curl${key} http://GATEWAY${path} -d '${quoted}'` : `curl${key} http://GATEWAY${path}`;
}

async function send(method, path, body, output) {
  output.textContent = '…';
  try {
    const answer = await fetch('/docs/send', {
      method: 'POST',
      headers: { ...authorization(), 'content-type': 'application/json' },
      body: JSON.stringify({ method: method.toUpperCase(), path, body, key: byId('key').value }),
    });
    const said = await answer.json();
    output.textContent = said.error ? said.error : `${said.status}\n${said.fields}\n\n${pretty(said.body)}`;
  } catch (error) {
    output.textContent = String(error);
  }
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function operation(path, method, found) {
  const box = make('details', {}, make('summary', {},
    make('span', { class: 'method' }, method.toUpperCase()), make('code', {}, path), ` ${found.summary || ''}`));
  const request = json(found.requestBody);
  const output = make('pre', { 'aria-live': 'polite' });
  const shell = make('pre');
  const text = make('textarea', { 'aria-label': 'Body', spellcheck: 'false' });
  text.value = request.example ? JSON.stringify(request.example, null, 2) : '';
  const show = () => { shell.textContent = curl(method, path, text.value); };
  text.addEventListener('input', show);
  show();
  const button = make('button', { type: 'button' }, 'Send');
  button.addEventListener('click', () => send(method, path, text.value, output));
  if (method === 'post') box.append(make('h3', {}, 'Request'), table(request.schema), text);
  box.append(make('h3', {}, 'From a shell'), shell, button, output);
  box.append(make('h3', {}, 'Answer'), table(json(resolve((found.responses || {})['200'])).schema));
  const errors = Object.entries(found.responses || {}).filter(([status]) => status !== '200');
  const lines = errors.map(([status, error]) => make('tr', {}, make('td', {}, status), make('td', {}, resolve(error).description || '')));
  if (lines.length) box.append(make('h3', {}, 'Errors'), make('table', {}, make('tbody', {}, ...lines)));
  return box;
}

async function open() {
  const answer = await fetch('/openapi.json', { headers: authorization() });
  if (answer.status === 401) {
    byId('login').hidden = false;
    byId('login-error').textContent = sessionStorage.getItem('token') ? 'That is not the token.' : '';
    byId('token').focus();
    return;
  }
  byId('login').hidden = true;
  description = await answer.json();
  if (!answer.ok) {
    byId('fault').textContent = description.error;
    return;
  }
  byId('key-line').hidden = !description.security;
  const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, found]) => operation(path, method, found)));
  byId('operations').replaceChildren(...operations);
}

byId('login').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem('token', byId('token').value);
  open();
});
open().catch((error) => { byId('fault').textContent = String(error); });
