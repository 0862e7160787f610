// The relay's API: requests, and its stream of events.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
/** The state comes twice a second: a stream that is silent for so long is broken. In ms. */
const SILENCE = 5_000;
const TOKEN = "udp relay token";

let token = "";

/** Takes the token from the address (`#token=...`), and hides it there; it is kept until the tab is closed. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    history.replaceState(null, "", location.pathname + location.search);
    useToken(given);
  } else {
    token = sessionStorage.getItem(TOKEN) ?? "";
  }
}

/** Uses this token from now on. */
export function useToken(given) {
  token = given;
  sessionStorage.setItem(TOKEN, given);
}

/** What the relay refused: its words, and its advice. */
export class Refused extends Error {
  constructor(status, { error, hint }) {
    super(error);
    this.status = status;
    this.hint = hint ?? "";
  }
}

/** Sends a request; gives the JSON of the answer. Throws `Refused`, or what `fetch` throws. */
export async function ask(method, path, body) {
  const response = await request(path, { method, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** The text of an answer. Throws as `ask` does. */
export async function askText(path) {
  return (await request(path, { method: "GET" })).text();
}

async function request(path, options) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  if (response.ok) return response;
  const text = await response.text();
  let told = { error: text || `HTTP ${response.status}` };
  try {
    told = { ...told, ...JSON.parse(text) };
  } catch {
    // Not JSON: its text is the error.
  }
  throw new Refused(response.status, told);
}

/**
 * Follows the relay's events for ever: `take(name, data)` for each, `tell(state, seconds)` for what the connection is:
 * `connected`, `lost` (and when it is tried again), `unauthorised` (until `again()` of the returned object is called).
 */
export function follow(take, tell) {
  let wait = FIRST_WAIT;
  let retry = () => {};
  const pause = (ms) => new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    retry = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  const run = async () => {
    for (;;) {
      let refused = false;
      try {
        await stream(take, () => {
          wait = FIRST_WAIT;
          tell("connected");
        });
      } catch (error) {
        refused = error instanceof Refused && error.status === 401;
      }
      if (refused) {
        tell("unauthorised");
        await pause(1 << 30);
      } else {
        tell("lost", wait / 1000);
        await pause(wait);
        wait = Math.min(2 * wait, LONGEST_WAIT);
      }
    }
  };
  run();
  return { again: () => retry() };
}

/** One connection's events. An EventSource could not send a token, so the stream is read by hand. */
async function stream(take, connected) {
  const ended = new AbortController();
  let silent = setTimeout(() => ended.abort(), SILENCE);
  try {
    const response = await request("/api/events", { signal: ended.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    connected();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(silent);
      silent = setTimeout(() => ended.abort(), SILENCE);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) event(block, take);
    }
  } finally {
    clearTimeout(silent);
    ended.abort();
  }
}

function event(block, take) {
  let name = "message";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    if (line.startsWith("data:")) data += line.slice(5);
  }
  if (data) take(name, JSON.parse(data));
}
