// The lanes: each datagram moves from one end to the other, and meets its fate where the relay decided on it.

import { goodFactor, LaneClock } from "./clock.js";
import { DIRECTIONS, fates } from "./datagrams.js";
import { colour, draw, fit } from "./shapes.js";
import { count, say, short } from "./words.js";

/** So many are drawn per lane, and so many wait to be; others are skipped, and the page says so. */
const DRAWN = 240;
const WAITING = 2_000;
/** How long a lane takes from end to end without any delay, in ms. */
const CROSSING = 900;
/** How long a lost one falls, and how long it lies there, in ms. */
const FALL = 600;
const LIE = 1_600;
/** Where those wait that cannot leave yet, and how far apart: in a queue, while it is not too long. */
const GATE = 0.95;
const APART = 0.016;
const QUEUED = 40;
/** Numbers are written beside so few. */
const NUMBERED = 24;
/** The relay samples while it says so at least so often, in ms. */
const SAMPLED = 2_000;
/** So many numbers are kept of what was sent and what arrived. */
const SEQUENCE = 16;

/** What stands for those that were skipped. */
const GAP = { number: "…", lostBy: null, corruptedBit: null, twin: null };

/** Where on a lane each stage is, and the impairments that belong to it. */
const STAGES = [
  { at: 0.1, says: "byDrop", words: ["drop"], lost: ["chosen"] },
  { at: 0.2, says: "byLoss", words: ["loss"], lost: ["chance"] },
  { at: 0.3, says: "byBlackout", words: ["blackout"], lost: ["blackout"] },
  { at: 0.38, says: "byMtu", words: ["mtu"], lost: ["mtu"] },
  { at: 0.46, says: "stageDuplicate", words: ["duplicate"], lost: [], fate: "doubled" },
  { at: 0.54, says: "stageCorrupt", words: ["corrupt"], lost: [], fate: "corrupted" },
  { at: 0.64, says: "byQueue", words: ["rate", "queue", "codel", "trace"], lost: ["queue", "codel", "room"] },
  { at: 0.75, says: "stageDelay", words: ["delay", "jitter"], lost: [], fate: "late" },
  { at: 0.85, says: "stageReorder", words: ["reorder"], lost: [], fate: "overtaken" },
];

function stageOfLoss(by) {
  return (STAGES.find((stage) => stage.lost.includes(by)) ?? STAGES[1]).at;
}

function stageOfFate(fate) {
  return STAGES.find((stage) => stage.fate === fate)?.at ?? 0;
}

/** Both lanes, and their clock. */
export class Lanes {
  /** `elements`: the lane of each direction; `datagrams`: what crossings are asked of. */
  constructor(elements, clock, datagrams) {
    this.clock = clock;
    this.datagrams = datagrams;
    this.time = new LaneClock(clock);
    this.lanes = Object.fromEntries(DIRECTIONS.map((direction) => [direction, new Lane(direction, elements[direction])]));
    this.chosen = "auto";
    this.last = 0;
    this.rate = 0;
    this.isStill = false;
    this.onFactor = () => {};
  }

  /** What came, as it was decided on. */
  take(datagrams) {
    if (this.isStill) return;
    for (const datagram of datagrams) this.lanes[datagram.direction].take(datagram);
  }

  /** Another factor of slow motion, or `auto`. */
  choose(factor) {
    this.chosen = factor;
    this.setFactor(factor === "auto" ? this.goodFactor() : Number(factor));
  }

  goodFactor() {
    return goodFactor(this.datagrams.crossing(), this.rate, 2 * CROSSING, this.time.factor);
  }

  setFactor(factor) {
    if (this.time.slow(factor)) this.each((lane) => lane.clear());
    this.onFactor(factor);
  }

  /** Forgets all that moves. */
  clear() {
    this.time.restart();
    this.each((lane) => lane.clear());
  }

  /** Moves or stands still, as who reads it asked for. */
  hold(isStill) {
    this.isStill = isStill;
    this.clear();
    if (!isStill) this.run();
  }

  /** The state of the relay, in which so many datagrams come per second: what the lanes say beside what moves. */
  state(state, rate) {
    this.rate = rate;
    if (this.chosen === "auto" && this.goodFactor() !== this.time.factor) this.time.isDraining = true;
    this.each((lane) => lane.state(state[lane.direction]));
  }

  /** Colours and words are others now. */
  restyle() {
    this.each((lane) => lane.restyle());
  }

  each(act) {
    for (const direction of DIRECTIONS) act(this.lanes[direction]);
  }

  run() {
    if (this.isRunning) return;
    this.isRunning = true;
    const frame = (now) => {
      this.isRunning = !this.isStill;
      if (!this.isRunning) return;
      this.turn(now);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  turn(now) {
    if (this.clock.offset === null) return;
    const lanes = DIRECTIONS.map((direction) => this.lanes[direction]);
    const isEmpty = lanes.every((lane) => lane.isEmpty());
    if (isEmpty && this.chosen === "auto") this.setFactor(this.goodFactor());
    const waits = lanes.map((lane) => lane.next()).filter((next) => next !== null);
    const skip = this.time.turn(now, waits.length ? Math.min(...waits) : null, isEmpty);
    // A frame that comes late must not make everything jump.
    const passed = Math.min(now - this.last, 100);
    this.last = now;
    for (const lane of lanes) {
      if (skip) lane.skipTo(this.time.base.there);
      lane.turn(now, passed, this.time);
    }
  }
}

/** The lane of one direction. */
class Lane {
  constructor(direction, element) {
    this.direction = direction;
    // A reply leaves the target after its question got there, in the time of the lanes too.
    this.shift = direction === "down" ? CROSSING : 0;
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.stages = [];
    this.isPaused = false;
    this.sampling = null;
    this.clear();
    this.restyle();
    new ResizeObserver(() => this.measure()).observe(this.canvas);
  }

  clear() {
    this.waiting = [];
    this.moving = [];
    this.lying = [];
    this.shown = [];
    this.sent = [];
    this.arrived = [];
    this.sequenceAt = 0;
  }

  restyle() {
    const names = ["passed", "lost", "doubled", "late", "corrupted", "overtaken", "ink", "muted", "line", "track", "accent"];
    this.colours = Object.fromEntries(names.map((name) => [name, colour(name)]));
    this.measure();
  }

  measure() {
    this.em = parseFloat(getComputedStyle(this.canvas).fontSize);
  }

  take(datagram) {
    this.waiting.push(datagram);
    if (this.waiting.length > WAITING) this.note(this.waiting.shift(), false);
  }

  state(link) {
    this.stages = STAGES.filter((stage) => stage.words.some((word) => word in link.impairments));
    this.isPaused = link.paused;
    const values = { title: say(`${this.direction}Title`), came: count(link.received), left: count(link.forwarded),
      lost: count(Object.values(link.lost).reduce((sum, number) => sum + number, 0)), waiting: count(link.under_way) };
    this.canvas.setAttribute("aria-label", say("laneLabel", values));
    this.tellShare();
  }

  /** The relay showed so many of so many. */
  sample({ kept, of }) {
    this.sampling = { kept: count(kept), of: count(of), at: performance.now() };
  }

  /** Whether nothing moves; what lies or waits at the gate does not. */
  isEmpty() {
    return this.moving.every((one) => one.isHeld);
  }

  /** When the first that waits came. */
  next() {
    return this.waiting[0]?.entered ?? null;
  }

  /** Skips what came before this moment, and leaves a gap in what was sent and what arrived. */
  skipTo(moment) {
    if (this.next() === null || this.next() >= moment) return;
    while (this.waiting.length && this.waiting[0].entered < moment) this.note(this.waiting.shift(), false);
    this.sent.push(GAP);
    this.arrived.push(GAP);
  }

  /** Remembers whether one was shown, so that the page can say how many were. */
  note(datagram, isShown) {
    this.shown.push(isShown);
    if (this.shown.length > 500) this.shown.shift();
  }

  tellShare() {
    const shown = this.shown.filter(Boolean).length;
    const said = this.element.querySelector(".share");
    if (this.sampling && performance.now() - this.sampling.at > SAMPLED) this.sampling = null;
    if (this.sampling) said.textContent = say("sampled", this.sampling);
    else if (shown < this.shown.length) said.textContent = say("skipped", { shown: count(shown), came: count(this.shown.length) });
    else said.textContent = say("allShown");
  }

  turn(now, passed, time) {
    while (this.waiting.length && !time.isDraining && time.place(this.waiting[0].entered) + this.shift <= now) {
      const datagram = this.waiting.shift();
      const isShown = this.moving.length < DRAWN;
      this.note(datagram, isShown);
      if (!isShown) continue;
      this.moving.push({ datagram, p: 0, y: spread(datagram) });
      if (!datagram.isCopy) this.sent.push(datagram);
    }
    this.inQueue = 0;
    this.moving = this.moving.filter((one) => this.move(one, now, passed, time));
    this.lying = this.lying.filter((one) => now - one.since < FALL + LIE);
    this.paint(now);
    if (now - this.sequenceAt > 200) {
      this.sequenceAt = now;
      this.writeSequences();
    }
  }

  /** Moves one on; says whether it is still on the lane. */
  move(one, now, passed, time) {
    const { datagram } = one;
    const enters = time.place(datagram.entered) + this.shift;
    const alone = (now - enters) / CROSSING;
    const mayStep = one.p + Math.max(passed / (CROSSING / 6), 0.02);
    if (datagram.lostBy && datagram.left === null) {
      const end = stageOfLoss(datagram.lostBy);
      one.p = Math.max(one.p, Math.min(alone, end, mayStep));
      if (one.p < end) return true;
      this.lying.push({ ...one, since: now });
      one.isGone = true;
      return false;
    }
    const exit = this.exit(datagram);
    const leaves = exit === null ? null : time.place(exit) + this.shift + CROSSING;
    if (leaves === null) {
      const place = GATE - APART * Math.min(this.inQueue, QUEUED);
      one.p = Math.max(Math.min(one.p, place), Math.min(alone, place, mayStep));
      one.isHeld = one.p >= place;
      if (one.isHeld) this.inQueue += 1;
      return true;
    }
    one.isHeld = false;
    one.p = Math.max(one.p, Math.min(leaves <= enters ? 1 : (now - enters) / (leaves - enters), mayStep));
    if (one.p < 1) return true;
    if (datagram.sent) this.arrived.push(datagram);
    return false;
  }

  /** When it leaves, as far as that is known: one that waits for others, or at a paused gate, has to leave first. */
  exit(datagram) {
    if (datagram.left !== null) return datagram.left;
    return this.isPaused || datagram.overtakenBy ? null : datagram.decided;
  }

  paint(now) {
    const { pen, width, height } = fit(this.canvas);
    const { em, colours } = this;
    const side = em * 0.9;
    const top = em * 0.6;
    const floor = height - em * 1.7;
    const bottom = floor - em * 1.5;
    const along = (p) => {
      const x = side + (width - 2 * side) * p;
      return this.direction === "up" ? x : width - x;
    };
    pen.fillStyle = colours.track;
    pen.beginPath();
    pen.roundRect(0, top, width, bottom - top, em * 0.4);
    pen.fill();
    pen.font = `${em * 0.8}px system-ui, sans-serif`;
    pen.textAlign = "center";
    this.paintStages(pen, along, top, bottom, floor, height);
    const r = Math.max(4, Math.min(em * 0.46, 14));
    const isNumbered = this.moving.length <= Math.min(NUMBERED, width / (em * 3));
    for (const one of this.moving) {
      // A copy begins where it is made.
      if (one.datagram.isCopy && one.p < stageOfFate("doubled")) continue;
      const fate = shape(one.datagram, one.p);
      const x = along(Math.min(one.p, 1));
      const y = top + (bottom - top) * one.y;
      draw(pen, fate, x, y, r, colours[fate]);
      if (isNumbered) {
        pen.fillStyle = colours.ink;
        pen.fillText(one.datagram.number, x, one.datagram.isCopy ? y + r * 2.2 : y - r * 1.35);
      }
    }
    for (const one of this.lying) this.paintLost(pen, one, now, { along, top, bottom, floor, r });
    if (this.isPaused) this.paintGate(pen, along(GATE + 0.025), top, bottom);
  }

  paintStages(pen, along, top, bottom, floor, height) {
    const isNarrow = this.canvas.clientWidth < this.em * 34;
    this.stages.forEach((stage, index) => {
      const x = along(stage.at);
      pen.strokeStyle = this.colours.line;
      pen.lineWidth = 1;
      pen.setLineDash([3, 3]);
      pen.beginPath();
      pen.moveTo(x, top);
      pen.lineTo(x, floor + 2);
      pen.stroke();
      pen.setLineDash([]);
      pen.fillStyle = this.colours.muted;
      // Where there is little room, two rows.
      const row = isNarrow && this.stages.length > 3 && index % 2 ? this.em * 0.75 : 0;
      pen.fillText(say(stage.says), x, height - this.em * 0.85 + row);
    });
  }

  paintLost(pen, one, now, { along, top, bottom, floor, r }) {
    const fallen = Math.min((now - one.since) / FALL, 1);
    const from = top + (bottom - top) * one.y;
    const lies = Math.max(0, (now - one.since - FALL) / LIE);
    pen.globalAlpha = 1 - lies * lies;
    const x = along(one.p) + (one.y - 0.5) * r * 5 * fallen;
    const y = from + (floor - r - from) * fallen * fallen;
    draw(pen, "lost", x, y, r, this.colours.lost);
    if (one === this.lying.at(-1)) {
      pen.fillStyle = this.colours.ink;
      pen.fillText(one.datagram.number, x, y - r * 1.3);
    }
    pen.globalAlpha = 1;
  }

  paintGate(pen, x, top, bottom) {
    pen.fillStyle = this.colours.accent;
    pen.fillRect(x - this.em * 0.3, top, this.em * 0.2, bottom - top);
    pen.fillRect(x + this.em * 0.1, top, this.em * 0.2, bottom - top);
  }

  /** What was sent, and what arrived, in this order: what "in any order" means, in numbers. */
  writeSequences() {
    const isOnLane = (datagram) => this.moving.some((one) => one.datagram === datagram);
    this.sent = this.sent.slice(-SEQUENCE);
    this.arrived = this.arrived.slice(-SEQUENCE);
    write(this.element.querySelector(".sent"), this.sent, (datagram) => (datagram.lostBy && !isOnLane(datagram) ? "lost" : ""));
    write(this.element.querySelector(".arrived"), this.arrived, (datagram) => {
      const [fate] = fates(datagram);
      const isPlain = fate === "passed" || fate === "late" || (fate === "doubled" && !datagram.isCopy);
      return isPlain ? "" : fate;
    });
  }
}

/** Writes numbers into a list, each marked with what became of it, if it is more than that it passed. */
function write(list, datagrams, mark) {
  const wanted = datagrams.map((datagram) => [`${datagram.number}`, mark(datagram)]);
  const written = wanted.map((pair) => pair.join(" ")).join(",");
  if (list.dataset.written === written) return;
  list.dataset.written = written;
  list.replaceChildren(...wanted.map(([number, fate]) => {
    const item = document.createElement("li");
    item.textContent = number;
    if (fate) {
      item.className = fate;
      item.title = say(fate);
    }
    return item;
  }));
}

/** The shape that one has where it is: it looks untouched until it comes to the stage that touches it. */
function shape(datagram, p) {
  const seen = fates(datagram).find((fate) => fate !== "lost" && p >= stageOfFate(fate));
  if (seen === "doubled" && !datagram.isCopy) return "passed";
  return seen ?? "passed";
}

/** How far from the upper edge of the lane one moves, so that neighbours do not hide each other; a copy beside its original. */
function spread({ number, isCopy }) {
  return 0.3 + (((number * 5) % 8) / 8) * 0.5 + (isCopy ? 0.12 : 0);
}

/** What slow motion does, in words. */
export function motionNote(factor) {
  return factor === 1 ? "" : say("motionSlow", { factor, shown: short(1000 / factor) });
}
