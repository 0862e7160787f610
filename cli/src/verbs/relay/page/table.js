// The list of the last datagrams, with their fates, and the bytes of one of them.

import { ask } from "./api.js";
import { fates } from "./datagrams.js";
import { picture } from "./shapes.js";
import { count, isSaid, relabel, say, time } from "./words.js";

const ROWS = 64;
/** How often rows are written, in ms: more often nobody reads. */
const WRITTEN_EVERY = 250;
/** So many bytes are shown of a payload. */
const SHOWN = 2_048;

/** The list. */
export class Table {
  /** `inject` is called with the datagram that was chosen. */
  constructor(inject) {
    this.rows = document.getElementById("rows");
    this.hold = document.getElementById("hold");
    this.direction = document.getElementById("table-direction");
    this.injectCopy = document.getElementById("inject-copy");
    this.waiting = [];
    this.written = [];
    this.chosen = null;
    this.hasFocus = false;
    this.direction.addEventListener("change", () => this.refilter());
    this.hold.addEventListener("change", () => this.write());
    this.injectCopy.addEventListener("click", () => this.chosen && inject(this.chosen));
    this.rows.addEventListener("focusin", () => this.focus(true));
    this.rows.addEventListener("focusout", () => this.focus(false));
    this.rows.addEventListener("click", (event) => this.clicked(event));
    this.rows.addEventListener("keydown", (event) => this.pressed(event));
    setInterval(() => this.write(), WRITTEN_EVERY);
  }

  /** Forgets them all. */
  clear() {
    this.waiting = [];
    this.written = [];
    this.rows.replaceChildren();
    this.choose(null);
    this.tellEmpty();
  }

  /** What came. */
  take(datagrams) {
    this.waiting.push(...datagrams);
    if (this.waiting.length > 4 * ROWS) this.waiting = this.waiting.slice(-2 * ROWS);
  }

  /** One left: its row says how long it took. */
  update(datagram) {
    datagram.isChanged = true;
  }

  focus(hasFocus) {
    this.hasFocus = hasFocus;
    document.getElementById("held").textContent = hasFocus ? say("heldFocus") : "";
  }

  isShown(datagram) {
    return !this.direction.value || datagram.direction === this.direction.value;
  }

  refilter() {
    for (const { datagram, row } of this.written) row.hidden = !this.isShown(datagram);
  }

  /** Writes what is new, newest first, unless the list is held. */
  write() {
    for (const one of this.written) if (one.datagram.isChanged) this.fill(one);
    if (this.hold.checked || this.hasFocus || !this.waiting.length) return;
    const fresh = this.waiting.slice(-ROWS).reverse();
    this.waiting = [];
    const rows = fresh.map((datagram) => this.fill({ datagram, row: this.row() }));
    this.rows.prepend(...rows.map(({ row }) => row));
    this.written = [...rows, ...this.written];
    for (const { row } of this.written.splice(ROWS)) row.remove();
    this.reachable();
    this.tellEmpty();
  }

  tellEmpty() {
    document.getElementById("no-rows").hidden = this.written.length > 0;
  }

  row() {
    const row = document.createElement("tr");
    for (let column = 0; column < 7; column += 1) row.append(document.createElement("td"));
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = -1;
    row.firstChild.append(button);
    return row;
  }

  fill(one) {
    const { datagram, row } = one;
    datagram.isChanged = false;
    const [number, direction, fate, came, delay, length, peer] = row.children;
    number.firstChild.textContent = `${datagram.number}${datagram.isCopy ? ` ${say("copy")}` : ""}`;
    direction.textContent = `${datagram.direction === "up" ? "↑" : "↓"} ${say(datagram.direction)}`;
    came.textContent = `${(datagram.entered / 1e9).toFixed(3)} s`;
    delay.textContent = time(took(datagram));
    length.textContent = count(datagram.length);
    peer.textContent = datagram.peer;
    const seen = fates(datagram);
    if (fate.dataset.written !== `${seen} ${document.documentElement.lang} ${datagram.sent}`) {
      fate.dataset.written = `${seen} ${document.documentElement.lang} ${datagram.sent}`;
      fate.replaceChildren(...seen.map(shapeAndWord));
      if (!datagram.sent) fate.append(` ${say("forgotten")}`);
    }
    row.dataset.fate = seen[0];
    row.dataset.direction = datagram.direction;
    row.hidden = !this.isShown(datagram);
    row.classList.toggle("chosen", this.chosen === datagram);
    if (this.chosen === datagram) this.tellFate();
    return one;
  }

  /** One row can be reached by Tab, the others by the arrow keys. */
  reachable() {
    const chosen = this.written.find(({ datagram }) => datagram === this.chosen) ?? this.written[0];
    for (const one of this.written) one.row.querySelector("button").tabIndex = one === chosen ? 0 : -1;
  }

  clicked(event) {
    const row = event.target.closest("tr");
    const one = this.written.find((written) => written.row === row);
    if (one) this.choose(one.datagram);
  }

  pressed(event) {
    const rows = this.written.filter(({ row }) => !row.hidden);
    const at = rows.findIndex(({ row }) => row.contains(event.target));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined || !rows[to]) return;
    event.preventDefault();
    this.choose(rows[to].datagram);
    rows[to].row.querySelector("button").focus();
  }

  /** Shows one in full: what was decided, and its bytes. */
  async choose(datagram) {
    this.chosen = datagram;
    for (const { datagram: other, row } of this.written) row.classList.toggle("chosen", other === datagram);
    this.reachable();
    this.injectCopy.disabled = datagram === null;
    const title = document.getElementById("hex-title");
    const hex = document.getElementById("hex");
    hex.textContent = "";
    this.tellFate();
    if (datagram === null) {
      title.textContent = say("hexNone");
      return;
    }
    title.textContent = say("hexOf", { direction: say(datagram.direction), number: datagram.number });
    try {
      const kept = await ask("GET", `/api/datagrams?direction=${datagram.direction}`);
      if (this.chosen !== datagram) return;
      const found = kept.findLast((one) => one.number === datagram.number && (one.network ?? null) === datagram.network);
      hex.textContent = found?.hex === undefined ? say("hexGone") : dump(found.hex, datagram.length);
    } catch {
      hex.textContent = say("failed");
    }
  }

  tellFate() {
    const detail = document.getElementById("fate-detail");
    const { chosen } = this;
    const lines = chosen === null ? [] : [
      ["colFate", fates(chosen).map((fate) => say(fate)).join(", ")],
      ["decidedBy", chosen.lostBy && reason(chosen.lostBy)],
      ["flippedBit", chosen.corruptedBit],
      ["overtakenBy", chosen.overtakenBy],
      ["decidedDelay", chosen.decided === null ? null : time(chosen.decided - chosen.entered)],
      ["achievedDelay", chosen.left === null ? null : time(chosen.left - chosen.entered)],
      ["colPeer", chosen.peer],
    ];
    detail.replaceChildren(...lines.filter(([, value]) => value !== null).flatMap(([key, value]) => {
      const [name, said] = [document.createElement("dt"), document.createElement("dd")];
      name.textContent = say(key);
      said.textContent = value;
      return [name, said];
    }));
  }

  /** Another language. */
  restyle() {
    for (const one of this.written) this.fill(one);
    this.focus(this.hasFocus);
    this.choose(this.chosen);
    relabel(this.rows);
  }
}

/** What a datagram was lost by, in words where there are some: a newer relay may know more. */
export function reason(by) {
  const key = { chance: "byLoss", chosen: "byDrop" }[by] ?? `by${by.charAt(0).toUpperCase()}${by.slice(1)}`;
  return isSaid(key) ? say(key) : by;
}

/** How long one takes: what was achieved, else what was decided. */
function took({ left, decided, entered }) {
  const end = left ?? decided;
  return end === null ? null : end - entered;
}

function shapeAndWord(fate) {
  const one = document.createElement("span");
  one.className = `fate ${fate}`;
  one.append(picture(fate), say(fate));
  return one;
}

/** Bytes as offsets, hex and text; whatever is no printable ASCII is a dot. */
export function dump(hex, length) {
  const bytes = (hex.match(/../g) ?? []).slice(0, SHOWN).map((pair) => parseInt(pair, 16));
  if (!bytes.length) return say("hexEmpty");
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.slice(at, at + 16);
    const pairs = row.map((byte) => byte.toString(16).padStart(2, "0"));
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    const halves = [pairs.slice(0, 8).join(" "), pairs.slice(8).join(" ")].join("  ");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${halves.padEnd(48)}  ${text}`);
  }
  if (bytes.length < length) lines.push(say("hexCut", { shown: count(bytes.length), length: count(length) }));
  return lines.join("\n");
}
