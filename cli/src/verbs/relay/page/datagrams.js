// The datagrams of the last events, and what became of each.

/** How many are remembered per direction. */
const KEPT = 512;
/** How many crossings the median is taken of. */
const CROSSINGS = 64;
/** A datagram is late from so many times the median, and from so much (in ns) above it. */
const LATE_TIMES = 2;
const LATE_ABOVE = 5e6;

export const DIRECTIONS = ["up", "down"];
/** The fates that the page tells apart, each with a shape and a colour. */
export const FATES = ["passed", "lost", "doubled", "late", "corrupted", "overtaken"];

/** What is known of the datagrams that came last. */
export class Datagrams {
  constructor() {
    this.clear();
  }

  /** Forgets them all. */
  clear() {
    this.known = new Map();
    this.order = { up: [], down: [] };
    this.crossings = { up: [], down: [] };
    this.underWay = { up: [], down: [] };
    this.achieved = { up: [], down: [] };
  }

  /** Takes a `fate` event; gives the datagram, and its copy where it has one. */
  decided(event) {
    const datagram = this.remember(event, event, false);
    if (!event.copy) return [datagram];
    const copy = this.remember(event, { ...event, ...event.copy }, true);
    datagram.twin = copy;
    copy.twin = datagram;
    return [datagram, copy];
  }

  remember(event, own, isCopy) {
    const { direction } = event;
    const isLost = own.fate === "lost";
    const datagram = {
      key: key(event, isCopy), direction, number: event.number, network: event.network ?? null, isCopy,
      peer: event.peer, length: event.length, entered: event.entered_ns,
      decided: isLost ? null : own.decided_ns ?? null, left: null, sent: true,
      lostBy: isLost ? own.by ?? "chance" : null,
      corruptedBit: own.corrupted_bit ?? null, overtakenBy: own.overtaken_by ?? null,
      overtaken: Boolean(own.overtaken_by), late: false, twin: null,
    };
    this.known.set(datagram.key, datagram);
    const order = this.order[direction];
    order.push(datagram);
    if (order.length > KEPT) this.known.delete(order.shift().key);
    if (!isLost) this.compare(datagram);
    return datagram;
  }

  /** Holds a datagram against those before it: is it late, does it overtake? */
  compare(datagram) {
    const { direction, entered, decided } = datagram;
    const ahead = this.underWay[direction].filter((other) => other.left === null && !(other.decided < entered));
    if (decided !== null && !datagram.overtaken) {
      for (const other of ahead) {
        const isBehind = other.decided !== null && other.decided > decided;
        if (isBehind && other.number < datagram.number && other.network === datagram.network) other.overtaken = true;
      }
      const crossings = this.crossings[direction];
      const median = middle(crossings);
      const crossing = decided - entered;
      datagram.late = median !== null && crossing > LATE_TIMES * median && crossing > median + LATE_ABOVE;
      crossings.push(crossing);
      if (crossings.length > CROSSINGS) crossings.shift();
    }
    ahead.push(datagram);
    this.underWay[direction] = ahead.slice(-KEPT);
  }

  /** Takes a `left` event; gives the datagram, if it is known. */
  gone(event) {
    const datagram = this.known.get(key(event, event.copy === true));
    if (!datagram) return null;
    datagram.left = event.left_ns;
    datagram.sent = event.sent !== false;
    if (event.by) datagram.lostBy = event.by;
    const achieved = this.achieved[event.direction];
    achieved.push(event.left_ns - datagram.entered);
    if (achieved.length > KEPT) achieved.shift();
    return datagram;
  }

  /** The median of the delays since it was asked last, in ns, or `null`. */
  medianDelay(direction) {
    const median = middle(this.achieved[direction]);
    this.achieved[direction] = [];
    return median;
  }

  /** How long most need from end to end, in ns: the longer of both directions. */
  crossing() {
    return Math.max(...DIRECTIONS.map((direction) => middle(this.crossings[direction]) ?? 0));
  }

  /** The last that came, newest last. */
  newest(direction) {
    return this.order[direction].findLast((datagram) => !datagram.isCopy) ?? null;
  }
}

/** What became of a datagram: its fates, the one that decides its shape first. */
export function fates(datagram) {
  if (datagram.lostBy) return datagram.isCopy ? ["lost", "doubled"] : ["lost"];
  const seen = [];
  if (datagram.corruptedBit !== null) seen.push("corrupted");
  if (datagram.isCopy) seen.push("doubled");
  if (datagram.overtaken) seen.push("overtaken");
  if (datagram.late) seen.push("late");
  if (datagram.twin && !datagram.isCopy) seen.push("doubled");
  return seen.length ? seen : ["passed"];
}

function key({ direction, network, number }, isCopy) {
  return `${direction} ${network ?? ""} ${number}${isCopy ? " copy" : ""}`;
}

function middle(numbers) {
  if (!numbers.length) return null;
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[sorted.length >> 1];
}
