'use strict';
// The pill: in one word how the gateway is, with the share of the rows that it is not so good for.

// A user whom the store does not know is nothing special; so many of them are.
const NOT_IN_STORE_MIN = 0.01;

// All of them, or rather too few than too many.
const wholePercent = (share) => (share >= 1 ? '100 %' : share < 0.01 ? '<1 %' : `${Math.floor(share * 100)} %`);

// The state and the words, of what the gateway says of itself and of the rows of the last seconds: those by
// what their features stood on, and those that got no score by why.
function pillOf(status, features, failed) {
  if (status.draining) return ['draining', 'draining'];
  if (!status.serving) return ['loading', 'loading'];
  if (status.unfit.length) return ['unfit', `unfit: ${[...new Set(status.unfit.map((unfit) => unfit.model))].join(', ')}`];
  const refused = failed.store_unavailable || 0;
  const all = sum(features) + refused;
  // The first of several that are as many is the worst.
  const most = (found) => found.sort(([one], [other]) => other - one)[0];
  const [faulty, fault] = most([
    [features.error || 0, 'on defaults'], [refused, 'refused'], [features.stale || 0, 'on last known values'],
  ]);
  if (faulty) return ['degraded', `degraded: ${wholePercent(faulty / all)} of rows ${fault}`];
  if (status.store_faults.length) return ['degraded', 'degraded'];
  const [weak, why] = most([[features.missing || 0, 'not in the store'], [features.expired || 0, 'expired']]);
  if (weak / all >= NOT_IN_STORE_MIN) return ['missing', `serving: ${wholePercent(weak / all)} of rows ${why}`];
  return ['serving', 'serving'];
}

function setState(state, text = state) {
  const pill = byId('state');
  if (pill.textContent === text) return;
  pill.dataset.state = state;
  pill.textContent = text;
}

// It goes on while the page is paused: what it says is always of now.
function drawPill() {
  if (!facts) return;
  setState(...pillOf(facts, lately((second) => second.features).total, lately((second) => second.failed).total));
}
