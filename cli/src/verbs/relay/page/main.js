// The page of `udp relay --control`: what comes from the relay goes to its parts, what is done here goes to the relay.

import { ask, askText, follow, takeToken, useToken } from "./api.js";
import { Charts, sum } from "./charts.js";
import { Clock } from "./clock.js";
import { Controls } from "./controls.js";
import { Datagrams, DIRECTIONS, FATES } from "./datagrams.js";
import { Lanes, motionNote } from "./lanes.js";
import { paint, picture } from "./shapes.js";
import { reason, Table } from "./table.js";
import { count, percent, preferredLanguage, say, time, translate } from "./words.js";

const byId = (id) => document.getElementById(id);
const lessMotion = matchMedia("(prefers-reduced-motion: reduce)");
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

const laneElements = Object.fromEntries(DIRECTIONS.map((direction) => [direction, buildLane(direction)]));
const datagrams = new Datagrams();
const clock = new Clock();
const lanes = new Lanes(laneElements, clock, datagrams);
const charts = new Charts(byId("charts"));
const table = new Table(injectCopy);
const controls = new Controls(refresh, tell, fail);
let state = null;
let connection = { is: "waiting" };
/** Whether the relay was reset since the last state. */
let wasReset = false;

buildLegend();
restoreSettings();
takeToken();
const events = follow(takeEvent, takeConnection);

function buildLane(direction) {
  const lane = document.querySelector(`.lane[data-direction=${direction}]`);
  const part = (tag, className, text, title) => {
    const element = Object.assign(document.createElement(tag), { className });
    if (text) element.dataset.t = text;
    if (title) element.dataset.tTitle = title;
    return element;
  };
  const button = (action, text, title) => {
    const element = Object.assign(part("button", action, text, title), { type: "button" });
    element.addEventListener("click", () => act(direction, action));
    return element;
  };
  const head = part("div", "lane-head");
  head.append(part("h3", "", `${direction}Title`), part("p", "share note"), button("pause", "pause"),
    button("step", "step", "stepWhy"), button("copy-last", "injectLast", "injectLastWhy"));
  const road = part("div", "road");
  const canvas = part("canvas", "track");
  canvas.setAttribute("role", "img");
  road.append(part("span", "end peers", "endPeers"), canvas, part("span", "end target", "endTarget"));
  const sequences = part("div", "sequences");
  for (const name of ["sent", "arrived"]) sequences.append(part("span", "note", name), part("ol", name));
  lane.append(head, road, sequences, part("p", "counters"));
  return lane;
}

function buildLegend() {
  byId("legend").append(...FATES.map((fate) => {
    const item = document.createElement("li");
    const word = document.createElement("b");
    const why = document.createElement("span");
    word.dataset.t = fate;
    why.dataset.t = `${fate}Why`;
    item.append(picture(fate), word, " ", why);
    return item;
  }));
}

function takeEvent(name, data) {
  if (name === "state") takeState(data);
  if (name === "fate") {
    const decided = datagrams.decided(data);
    lanes.take(decided);
    table.take(decided);
  }
  if (name === "left") {
    const gone = datagrams.gone(data);
    if (gone) table.update(gone);
  }
  if (name === "reset") {
    forget();
    wasReset = true;
  }
  if (name === "missed") {
    connection.missed = (connection.missed ?? 0) + data.events;
    showConnection();
  }
  if (name === "sampled") lanes.lanes[data.direction].sample(data);
}

function takeState(fresh) {
  const isOlder = state !== null && fresh.elapsed_ns < state.elapsed_ns;
  // An answer that an event overtook; but after a lost connection, another relay.
  if (isOlder && clock.offset !== null) return;
  // The event that says so may have been missed.
  const isReset = !wasReset && state !== null && DIRECTIONS.some((direction) => fresh[direction].received < state[direction].received);
  if (isOlder || isReset) forget();
  wasReset = false;
  state = fresh;
  clock.heard(state.elapsed_ns);
  charts.take(state, Object.fromEntries(DIRECTIONS.map((direction) => [direction, datagrams.medianDelay(direction)])));
  showState();
}

function forget() {
  datagrams.clear();
  lanes.clear();
  charts.clear();
  table.clear();
}

function showState() {
  if (!state) return;
  byId("listen").textContent = state.listen.join(", ");
  byId("target").textContent = state.target;
  byId("seed").textContent = state.seed;
  byId("peers").textContent = count(state.peers.now);
  byId("elapsed").textContent = clockFace(state.elapsed_ns);
  byId("command").textContent = state.command;
  byId("lacks").textContent = lacks();
  byId("no-rows").textContent = say("none", { address: state.listen[0] });
  lanes.state(state, charts.rate());
  controls.take(state);
  for (const direction of DIRECTIONS) showLink(laneElements[direction], state[direction]);
}

function showLink(lane, link) {
  const pause = lane.querySelector("button.pause, button.resume");
  const action = link.paused ? "resume" : "pause";
  if (pause.dataset.t !== action) {
    pause.dataset.t = action;
    pause.textContent = say(action);
    pause.dataset.paused = link.paused;
  }
  lane.querySelector("button.step").disabled = !link.paused;
  lane.querySelector("button.copy-last").disabled = !datagrams.newest(lane.dataset.direction);
  const lost = sum(link.lost);
  const entered = link.received + link.duplicated;
  const by = Object.entries(link.lost).filter(([, number]) => number > 0);
  const why = by.map(([name, number]) => `${reason(name)} ${count(number)}`).join(", ");
  const parts = [`${say("came")} ${count(link.received)}`, `${say("left")} ${count(link.forwarded)}`,
    `${say("lost")} ${count(lost)}${entered ? ` (${percent(lost / entered)}${why ? `: ${why}` : ""})` : ""}`,
    `${say("doubled")} ${count(link.duplicated)}`, `${say("corrupted")} ${count(link.corrupted)}`,
    `${say("reordered")} ${count(link.overtaken)}`, `${say("waiting")} ${count(link.under_way)}`];
  if (link.marked > 0) parts.push(`${say("marked")} ${count(link.marked)}`);
  if (link.delay_p50_ns !== null && link.delay_p50_ns !== undefined) {
    parts.push(`${say("delayP50")} ${time(link.delay_p50_ns)}`, `p99 ${time(link.delay_p99_ns)}`);
  }
  lane.querySelector(".counters").textContent = parts.join(" · ");
}

/** What the command leaves out, in words. */
function lacks() {
  const says = { peer_links: "lacksPeers", scenario: "lacksSteps" };
  const known = (state.command_lacks ?? []).filter((what) => says[what]);
  return known.map((what) => say(says[what], { count: count(state.peer_links.length) })).join(" ");
}

function clockFace(ns) {
  const seconds = Math.floor(ns / 1e9);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  return `${hours ? `${hours}:` : ""}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

async function refresh() {
  try {
    takeState(await ask("GET", "/api/state"));
  } catch {
    // The stream says whether the relay is still there.
  }
}

function takeConnection(is, seconds) {
  connection = { is, seconds };
  showConnection();
  byId("login").hidden = is !== "unauthorised";
  if (is === "lost") clock.clear();
  if (is === "unauthorised") byId("token").focus();
  if (is !== "connected") return;
  ask("GET", "/api/presets").then((presets) => controls.setPresets(presets)).catch(() => {});
}

function showConnection() {
  const connected = connection.missed ? "connectedMissed" : "connected";
  const key = { waiting: "connecting", connected, lost: "lostConnection", unauthorised: "token" }[connection.is];
  const element = byId("connection");
  element.dataset.state = connection.is;
  element.textContent = say(key, { seconds: connection.seconds, count: count(connection.missed ?? 0) });
}

/** Does something to a direction: pause, resume, step, or a copy of its last datagram. */
async function act(direction, action) {
  if (action === "copy-last") {
    const last = datagrams.newest(direction);
    if (last) await injectCopy(last);
    return;
  }
  const verb = action === "pause" && state?.[direction].paused ? "resume" : action;
  await doing(() => ask("POST", `/api/${verb}?direction=${direction}`), say(`${verb}Done`, { direction: say(direction) }));
}

/** Numbers are those of a link: that of all peers, or of those of a network. */
async function injectCopy({ direction, number, network }) {
  await inject({ direction, number, ...(network !== null && { network }) });
}

async function inject(what) {
  await doing(() => ask("POST", "/api/inject", what), say("injected"));
}

async function doing(request, done) {
  try {
    await request();
    tell(done);
  } catch (error) {
    fail(error.status ? [error.message, error.hint].filter(Boolean).join("; ") : say("failed"));
  }
  await refresh();
}

/** Says what was done. */
function tell(words) {
  byId("problem").textContent = "";
  show(byId("message"), words);
}

/** Says what could not be done. */
function fail(words) {
  byId("message").textContent = "";
  show(byId("problem"), words);
}

function show(element, words) {
  element.textContent = words;
  clearTimeout(show.timer);
  show.timer = setTimeout(() => {
    element.textContent = "";
  }, 6000);
}

async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    tell(say("copied"));
  } catch {
    // Only pages from this host or over TLS may write to the clipboard.
    getSelection().selectAllChildren(element);
    if (document.execCommand("copy")) tell(say("copied"));
    else fail(say("copyFailed"));
  }
}

async function copyScenario() {
  const element = byId("scenario");
  try {
    element.textContent = await askText("/api/scenario");
    element.hidden = false;
    await copy(element);
  } catch (error) {
    fail(error.status ? error.message : say("failed"));
  }
}

/** A setting that outlasts the page, where the browser keeps such things. */
function remember(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`udp relay ${name}`);
    localStorage.setItem(`udp relay ${name}`, value);
  } catch {
    // It is forgotten then.
  }
  return null;
}

function restoreSettings() {
  byId("theme").value = remember("theme") ?? "auto";
  byId("large").checked = remember("large") === "yes";
  byId("motion").value = remember("motion") ?? "auto";
  byId("language").value = preferredLanguage(remember("language"));
  lanes.onFactor = (factor) => {
    byId("motion-note").textContent = motionNote(factor);
  };
  applyTheme();
  applyLanguage();
  applyMotion();
  lanes.choose(byId("motion").value);
}

function applyTheme() {
  const root = document.documentElement;
  root.dataset.theme = byId("theme").value;
  root.classList.toggle("large", byId("large").checked);
  for (const canvas of document.querySelectorAll("canvas.shape")) paint(canvas);
  lanes.restyle();
  charts.paint();
}

function applyLanguage() {
  translate(byId("language").value);
  showConnection();
  controls.restyle();
  table.restyle();
  charts.paint();
  byId("motion-note").textContent = motionNote(lanes.time.factor);
  byId("no-rows").textContent = say("none", { address: state?.listen[0] ?? "HOST:PORT" });
  showState();
}

function applyMotion() {
  document.documentElement.classList.toggle("still", lessMotion.matches);
  lanes.hold(lessMotion.matches);
}

const changed = (id, name, value, apply) => byId(id).addEventListener("change", () => {
  remember(name, value(byId(id)));
  apply();
});
changed("language", "language", ({ value }) => value, applyLanguage);
changed("theme", "theme", ({ value }) => value, applyTheme);
changed("large", "large", ({ checked }) => (checked ? "yes" : "no"), applyTheme);
changed("motion", "motion", ({ value }) => value, () => lanes.choose(byId("motion").value));
lessMotion.addEventListener("change", applyMotion);
darkSystem.addEventListener("change", applyTheme);
byId("reset").addEventListener("click", () => doing(() => ask("POST", "/api/reset"), say("resetDone")));
byId("copy-command").addEventListener("click", () => copy(byId("command")));
byId("copy-scenario").addEventListener("click", copyScenario);
byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(byId("token").value);
  byId("token").value = "";
  events.again();
});
byId("inject").addEventListener("submit", (event) => {
  event.preventDefault();
  const [direction, peer, form, payload] = ["direction", "peer", "form", "payload"].map((name) => byId(`inject-${name}`).value);
  inject({ direction, peer, [form]: payload });
});
byId("inject-peer").addEventListener("focus", async () => {
  try {
    const peers = await ask("GET", "/api/peers");
    byId("inject-peers").replaceChildren(...peers.map((one) => new Option(one.peer ?? one)));
  } catch {
    // It can be written by hand.
  }
});
