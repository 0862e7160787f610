// The impairments: their words, examples of them, and what sliders make of them.

const PERCENT = {
  pattern: /\d+(?:\.\d+)?%/,
  /** From the value in a word to a slider's position, 0 to 100: finer where small values are. */
  position: (found) => 100 * Math.sqrt(parseFloat(found) / 100),
  /** From a position to the value's word; `null`: none. */
  word: (position) => (position === 0 ? null : `${rounded((position / 100) ** 2 * 100)}%`),
  rest: 0,
};

const UNITS = { ns: 1e-6, us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const LONGEST = 2000;
const TIME = {
  pattern: /\d+(?:ns|us|ms|s|m|h)\b/,
  position: (found) => 100 * Math.sqrt(Math.min(parseFloat(found) * UNITS[found.replace(/^\d+/, "")], LONGEST) / LONGEST),
  word: (position) => (position === 0 ? null : `${Math.max(1, Math.round(rounded((position / 100) ** 2 * LONGEST)))}ms`),
  rest: 0,
};

const RATE = logarithmic(/\d+(?:\.\d+)?[kMG]?bit\/s/, 8e3, 1e9, 1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]);
const SIZE = logarithmic(/\d+(?:\.\d+)?[KMG]iB/, 1024, 16 * 2 ** 20, 1024, ["B", "KiB", "MiB", "GiB"]);
const MTU = logarithmic(/\d+/, 64, 9000, Infinity, [""]);

/** A slider from least to most whose right end is none: no limit. */
function logarithmic(pattern, least, most, step, units) {
  return {
    pattern,
    position(found) {
      const unit = units.indexOf(found.replace(/^[\d.]+/, ""));
      const value = parseFloat(found) * (unit > 0 ? step ** unit : 1);
      return Math.max(0, Math.min(99, (99 * Math.log(value / least)) / Math.log(most / least)));
    },
    word(position) {
      if (position >= 100) return null;
      const value = least * (most / least) ** (position / 99);
      const power = Math.min(Math.floor(Math.log(value) / Math.log(step)), units.length - 1);
      return `${Math.round(rounded(value / step ** power) * 100) / 100}${units[power]}`.replace(/^(\d+)\.\d+$/, "$1");
    },
    rest: 100,
  };
}

/** Two significant digits. */
function rounded(value) {
  return Number(value.toPrecision(2));
}

/** All impairments, in groups; the first of each group are shown at once, those with `more` when asked for. */
export const GROUPS = [
  { name: "groupLoss", fields: [
    { word: "loss", slider: PERCENT, examples: ["1%", "5%", "20%", "burst:5%,4", "ge:1%,25%"] },
    { word: "drop", examples: ["1", "1,2,7", "every:10"], more: true },
    { word: "blackout", examples: ["every:30s,for:2s", "every:10s,for:1s", "at:10s,for:2s"], more: true },
    { word: "mtu", slider: MTU, examples: ["1500", "1280", "576"], more: true },
    { word: "match", examples: ["^PING", "(?-u)^\\x00"], more: true },
    { word: "from", examples: ["127.0.0.1/32", "10.0.0.0/8"], more: true },
    { word: "delay-in-bad", slider: TIME, examples: ["50ms", "200ms"], more: true },
  ] },
  { name: "groupTime", fields: [
    { word: "delay", slider: TIME, examples: ["20ms", "40ms", "100ms", "300ms", "1s"] },
    { word: "jitter", slider: TIME, examples: ["10ms", "30ms:normal", "30ms:pareto", "100ms:exponential"] },
    { word: "allow-reorder", isSwitch: true },
  ] },
  { name: "groupDamage", fields: [
    { word: "duplicate", slider: PERCENT, examples: ["1%", "5%", "20%"] },
    { word: "corrupt", slider: PERCENT, examples: ["0.1%", "1%", "10%"] },
    { word: "reorder", slider: PERCENT, examples: ["2%", "5%,3", "10%,3,200ms"] },
  ] },
  { name: "groupWidth", fields: [
    { word: "rate", slider: RATE, examples: ["64kbit/s", "1Mbit/s", "10Mbit/s"] },
    { word: "queue", slider: SIZE, examples: ["16KiB", "64KiB", "100"] },
    { word: "codel", examples: ["5ms,100ms"], more: true },
    { word: "trace", examples: [], more: true },
  ] },
];

/** Where the slider of a field is at this value (`undefined`: none). */
export function position({ slider }, value) {
  const found = value === undefined ? null : String(value).match(slider.pattern);
  return found ? Math.round(slider.position(found[0])) : slider.rest;
}

/** What a value becomes when its slider is moved: its first number changes, what else it says stays. */
export function moved({ slider }, value, to) {
  const word = slider.word(to);
  if (word === null || value === undefined || !slider.pattern.test(value)) return word;
  return value.replace(slider.pattern, word);
}
