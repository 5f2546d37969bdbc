'use strict';
// The heat map: a column a second, a row for latencies up to √2 times those of the row below.

const HEAT_LOWEST_US = 10;
const HEAT_ROWS = 36;
// How many seconds are shown: as few as there are, so that a page that was just opened isn't empty.
const SPANS = [30, 60, 120, 180, 300];
let cursor = null;

const span = (count) => SPANS.find((seconds) => seconds >= count) ?? SPANS.at(-1);
const rowOf = (us) => 2 * Math.log2(us / HEAT_LOWEST_US);

// The rows that anything fell into, with one to spare on either side, and nine at least; null where
// there is nothing.
function heatRange(seconds) {
  let low = HEAT_ROWS - 1, high = -1;
  for (const second of seconds) {
    second.heat.forEach((count, row) => {
      if (count) { low = Math.min(low, row); high = Math.max(high, row); }
    });
  }
  if (high < 0) return null;
  return [Math.max(low - 1, 0), Math.min(Math.max(high + 1, low + 8), HEAT_ROWS - 1)];
}

// The latencies that the axis names: decades, and steps within them where there are fewer than two.
function heatTicks(low, high) {
  const ticks = (steps) => {
    const found = [];
    for (let decade = HEAT_LOWEST_US; rowOf(decade) <= HEAT_ROWS; decade *= 10) {
      found.push(...steps.map((step) => step * decade));
    }
    return found.filter((us) => rowOf(us) >= low && rowOf(us) <= high + 1);
  };
  const decades = ticks([1]);
  return decades.length >= 2 ? decades : ticks([1, 2, 5]);
}

// Where the axis of time is named, from now on backwards: in even steps, as short as there is room for.
function timeTicks(shown, width, measure) {
  const ticks = (step) => Array.from({ length: Math.floor(shown / step) + 1 }, (_, at) => {
    const ago = at * step;
    const text = !ago ? 'now' : ago % 60 || shown <= 60 ? `−${ago} s` : `−${ago / 60} min`;
    const half = measure(text) / 2;
    return { text, half, middle: Math.min(Math.max(width * (1 - ago / shown), half), width - half) };
  });
  const fits = (found) => found.every((tick, at) => !at || tick.middle + tick.half + 10 <= found[at - 1].middle - found[at - 1].half);
  const steps = [10, 30, 60, 120].filter((step) => step >= shown / 6);
  return steps.map(ticks).find(fits) ?? ticks(shown);
}

function drawHeat() {
  const canvas = byId('heat');
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * scale;
  canvas.height = height * scale;
  const draw = canvas.getContext('2d');
  draw.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  const range = heatRange(seconds);
  const [low, high] = range ?? [4, 18];
  const left = 52, bottom = 18;
  const shown = span(seconds.length);
  const rowHeight = (height - bottom) / (high - low + 1);
  const columnWidth = (width - left) / shown;
  const x = (at) => left + (shown - seconds.length + at) * columnWidth;
  const y = (row) => (high - row) * rowHeight;
  draw.font = '11px system-ui, "DejaVu Sans", sans-serif';
  draw.fillStyle = draw.strokeStyle = style.getPropertyValue('--quiet');
  draw.globalAlpha = 1;
  draw.textAlign = 'right';
  draw.textBaseline = 'middle';
  for (const us of range ? heatTicks(low, high) : []) {
    const at = (high + 1 - rowOf(us)) * rowHeight;
    draw.fillText(time(us), left - 6, Math.max(at, 6));
    draw.globalAlpha = 0.25;
    draw.fillRect(left, at, width - left, 1);
    draw.globalAlpha = 1;
  }
  draw.textAlign = 'center';
  draw.textBaseline = 'alphabetic';
  for (const tick of timeTicks(shown, width - left, (text) => draw.measureText(text).width)) {
    draw.fillText(tick.text, left + tick.middle, height - 3);
  }
  if (!range) draw.fillText('No request yet.', left + (width - left) / 2, (height - bottom) / 2);
  const rgb = style.getPropertyValue('--heat');
  seconds.forEach((second, at) => {
    const most = Math.max(...second.heat);
    second.heat.forEach((count, row) => {
      if (!count || row < low || row > high) return;
      // By the square root: a second's stragglers are what one looks for.
      draw.fillStyle = `rgba(${rgb}, ${(0.12 + 0.88 * Math.sqrt(count / most)).toFixed(2)})`;
      draw.fillRect(x(at), y(row), columnWidth + 0.5, rowHeight - 0.5);
    });
  });
  if (cursor !== null && seconds[cursor]) {
    draw.strokeStyle = style.getPropertyValue('--ink');
    draw.lineWidth = 1;
    draw.strokeRect(x(cursor) - 0.5, 0.5, Math.max(columnWidth, 3), height - bottom);
  }
  canvas.columnOf = (offset) => Math.floor((offset - left) / columnWidth) - (shown - seconds.length);
}

function readHeat() {
  const second = seconds[cursor];
  const request = second && requestPhase(second);
  byId('heat-text').textContent = second
    ? `${clock(second.time_s)}: ${number(second.requests_per_s)} requests/s, p50 ${time(request.p50_us)}, p99 ${time(request.p99_us)}, ${percent(notOk(second))} not 200`
    : 'Stronger colour: more requests. Point at it, or use the arrow keys.';
  drawHeat();
}

function watchHeat() {
  const canvas = byId('heat');
  canvas.addEventListener('pointermove', (event) => {
    const at = canvas.columnOf?.(event.offsetX);
    cursor = at >= 0 && at < seconds.length ? at : null;
    readHeat();
  });
  canvas.addEventListener('pointerleave', () => { cursor = null; readHeat(); });
  canvas.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30 }[event.key];
    if (event.key === 'Escape') cursor = null;
    else if (event.key === 'Home') cursor = 0;
    else if (event.key === 'End') cursor = seconds.length - 1;
    else if (step) cursor = Math.min(Math.max((cursor ?? seconds.length) + step, 0), seconds.length - 1);
    else return;
    event.preventDefault();
    readHeat();
  });
}
