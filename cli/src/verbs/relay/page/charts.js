// Charts of the last minute: rate, loss, delay, and how many are under way.

import { DIRECTIONS } from "./datagrams.js";
import { colour, fit } from "./shapes.js";
import { percent, say, short, time } from "./words.js";

/** In seconds. */
const SPAN = 60;
/** Rates and shares are those of so many ns. */
const WINDOW = 2.2e9;
/** Of less than so many ns nothing is said. */
const SHORTEST = 4e8;

const CHARTS = [
  { name: "chartRate", of: (point) => point.rate, least: 10, write: (value) => `${short(value)}/s` },
  { name: "chartLoss", of: (point) => point.loss, least: 0.02, write: percent, most: 1 },
  { name: "chartDelay", of: (point) => point.delay, least: 1e6, write: time },
  { name: "chartQueue", of: (point) => point.queue, least: 10, write: short },
];

/** The four charts. */
export class Charts {
  constructor(element) {
    this.points = [];
    this.states = [];
    this.charts = CHARTS.map((chart) => ({ ...chart, ...figure(element, chart.name) }));
    new ResizeObserver(() => this.paint()).observe(element);
  }

  /** Begins anew. */
  clear() {
    this.points = [];
    this.states = [];
    this.paint();
  }

  /** Takes a state, and the median delay of each direction since the last one. */
  take(state, delays) {
    const at = state.elapsed_ns / 1e9;
    const before = this.states.find((old) => old.elapsed_ns >= state.elapsed_ns - WINDOW);
    this.states = [...this.states.filter((old) => old.elapsed_ns >= state.elapsed_ns - WINDOW), state];
    if (!before || state.elapsed_ns < before.elapsed_ns + SHORTEST) return;
    const passed = at - before.elapsed_ns / 1e9;
    const point = { at };
    for (const direction of DIRECTIONS) point[direction] = between(before[direction], state[direction], passed, delays[direction]);
    this.points = [...this.points.filter((old) => old.at > at - SPAN), point];
    this.paint();
  }

  /** Datagrams per second, of the busier direction. */
  rate() {
    const last = this.points.at(-1);
    return last ? Math.max(...DIRECTIONS.map((direction) => last[direction].rate ?? 0)) : 0;
  }

  paint() {
    const last = this.points.at(-1);
    for (const chart of this.charts) {
      const now = Object.fromEntries(DIRECTIONS.map((direction) => [direction, written(chart, last?.[direction])]));
      chart.title.textContent = say(chart.name);
      chart.up.textContent = now.up;
      chart.down.textContent = now.down;
      chart.canvas.setAttribute("aria-label", say("chartLabel", { name: say(chart.name), ...now }));
      this.paintChart(chart);
    }
  }

  paintChart(chart) {
    const { pen, width, height } = fit(chart.canvas);
    const em = parseFloat(getComputedStyle(chart.canvas).fontSize);
    const values = this.points.flatMap((point) => DIRECTIONS.map((direction) => chart.of(point[direction])));
    const highest = Math.max(chart.least, ...values.filter((value) => value !== null));
    const top = Math.min(round(highest), chart.most ?? Infinity);
    const line = (y) => Math.round(y) + 0.5;
    pen.strokeStyle = colour("line");
    pen.lineWidth = 1;
    pen.beginPath();
    for (const share of [0, 0.5, 1]) {
      const y = line(em + (height - em - 2) * share);
      pen.moveTo(0, y);
      pen.lineTo(width, y);
    }
    pen.stroke();
    const end = this.points.at(-1)?.at ?? 0;
    const x = (at) => width - ((end - at) / SPAN) * width;
    const y = (value) => height - 2 - (height - em - 2) * (value / top);
    for (const direction of DIRECTIONS) {
      pen.strokeStyle = colour(direction);
      pen.lineWidth = 2;
      pen.setLineDash(direction === "up" ? [] : [5, 3]);
      pen.beginPath();
      let isDrawing = false;
      for (const point of this.points) {
        const value = chart.of(point[direction]);
        if (value === null) {
          isDrawing = false;
        } else {
          pen[isDrawing ? "lineTo" : "moveTo"](x(point.at), y(Math.min(value, top)));
          isDrawing = true;
        }
      }
      pen.stroke();
    }
    pen.setLineDash([]);
    pen.fillStyle = colour("muted");
    pen.font = `${em * 0.8}px system-ui, sans-serif`;
    pen.textAlign = "right";
    pen.fillText(chart.write(top), width, em * 0.75);
  }
}

/** What happened on a link between two states. */
function between(before, now, seconds, delay) {
  const came = now.received - before.received;
  const entered = came + now.duplicated - before.duplicated;
  const lost = sum(now.lost) - sum(before.lost);
  const isReset = came < 0 || lost < 0;
  return {
    rate: isReset ? null : came / seconds,
    loss: isReset || entered <= 0 ? null : Math.min(lost / entered, 1),
    delay,
    queue: now.under_way,
  };
}

/** How many were lost, by whatever. */
export function sum(lost) {
  return Object.values(lost).reduce((total, number) => total + number, 0);
}

/** The next of 1, 2, 5, 10, 20 ... */
function round(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * size >= value * 0.999) * size;
}

function written(chart, point) {
  const value = point ? chart.of(point) : null;
  return value === null ? "–" : chart.write(value);
}

function figure(element, name) {
  const box = document.createElement("figure");
  box.dataset.chart = name;
  const caption = document.createElement("figcaption");
  const title = document.createElement("span");
  const [up, down] = DIRECTIONS.map((direction) => {
    const value = document.createElement("output");
    value.className = `value ${direction}`;
    return value;
  });
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  caption.append(title, up, down);
  box.append(caption, canvas);
  element.append(box);
  return { title, up, down, canvas };
}
