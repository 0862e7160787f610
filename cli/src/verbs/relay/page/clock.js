// Time: the relay's clock as seen from here, and the slower one of the lanes.

/** The offset is the smallest of so many: the one whose event was least delayed on its way here. */
const OFFSETS = 20;

/** What the relay's clock shows, estimated from the states that it sends. */
export class Clock {
  constructor() {
    this.clear();
  }

  /** Begins anew: another relay. */
  clear() {
    this.offsets = [];
    this.offset = null;
  }

  /** A state that says `elapsed` (ns) was heard now. */
  heard(elapsed, now = performance.now()) {
    this.offsets.push(now - elapsed / 1e6);
    if (this.offsets.length > OFFSETS) this.offsets.shift();
    this.offset = Math.min(...this.offsets);
  }

  /** What the relay's clock shows now, in ns; `null` before the first state. */
  now(now = performance.now()) {
    return this.offset === null ? null : (now - this.offset) * 1e6;
  }
}

/** So far behind the relay are the lanes in real time, so that events are here before they are shown. In ms. */
const BEHIND = 250;
/** The lanes may fall behind, most of all in slow motion: so far, in ms, then what is on them is finished and the rest skipped. */
const FARTHEST = 5_000;
/** The factor changes by itself where another one would be so much better. */
const BETTER = 4;
/** Factors that slow motion chooses from by itself. */
const FACTORS = [1, 2, 5, 10, 20, 50, 100];
/** How long the delay of a datagram is to take then, in ms. */
const SEEN = 800;
/** How many datagrams are to be seen each second, where there are so many. */
const SEEN_EACH_SECOND = 4;

/**
 * The clock of the lanes: `factor` times slower than the relay's. Where nothing moves, it skips to what came next; where it
 * is too far behind, it takes nothing more until the lanes are empty, and goes on in the present. So whatever is seen
 * together happened together, in this order.
 */
export class LaneClock {
  constructor(clock) {
    this.clock = clock;
    this.factor = 1;
    this.isDraining = false;
    this.base = null;
  }

  /** Begins anew at the present. */
  restart() {
    this.base = null;
    this.isDraining = false;
  }

  /** The factor from now on. */
  slow(factor) {
    if (factor === this.factor) return false;
    this.factor = factor;
    this.restart();
    return true;
  }

  /** Where in the lanes' time (ms of this page) a moment of the relay (ns) lies. */
  place(ns) {
    return this.base.here + ((ns - this.base.there) / 1e6) * this.factor;
  }

  /**
   * Goes on to the present. `next`: when the first datagram that waits came, or `null`; `isEmpty`: nothing moves.
   * Says whether what waits from before the present is to be skipped.
   */
  turn(now, next, isEmpty) {
    const present = this.clock.now(now) - BEHIND * 1e6;
    if (this.base === null) {
      this.base = { here: now, there: present };
      return false;
    }
    const shown = this.base.there + ((now - this.base.here) / this.factor) * 1e6;
    const behind = (present - shown) / 1e6;
    if (this.factor === 1) {
      // The offset was estimated anew, or the page was hidden.
      const isFar = Math.abs(behind) > FARTHEST;
      if (Math.abs(behind) > 1000 || (isEmpty && Math.abs(behind) > 20)) this.base = { here: now, there: present };
      return isFar;
    }
    if (this.isDraining && isEmpty) {
      this.isDraining = false;
      this.base = { here: now, there: present };
      return true;
    }
    if (isEmpty && !this.isDraining) this.base = { here: now, there: Math.max(shown, Math.min(next ?? present, present)) };
    this.isDraining = this.isDraining || (!isEmpty && behind > FARTHEST);
    return false;
  }
}

/**
 * The factor that shows a delay of so many ns well, without skipping most of `rate` datagrams per second: `busy` is how long a
 * question and its answer are on the lanes without any delay, in ms. Small differences leave `factor` as it is.
 */
export function goodFactor(delay, rate, busy, factor) {
  const ms = delay / 1e6;
  if (ms < 1 || rate === 0) return 1;
  const dense = rate / SEEN_EACH_SECOND;
  const sparse = (1000 / rate - busy) / (2 * ms);
  const wanted = Math.min(SEEN / ms, Math.max(dense, sparse));
  const good = FACTORS.findLast((one) => one <= wanted) ?? 1;
  return good >= factor * BETTER || good * BETTER <= factor ? good : factor;
}
