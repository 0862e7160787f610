// Sliders, fields and examples for every impairment; what is changed here is changed in the relay at once.

import { ask } from "./api.js";
import { GROUPS, moved, position } from "./impairments.js";
import { relabel, say } from "./words.js";

/** While a slider is drawn, the relay is asked at most so often, in ms. */
const ASKED_EVERY = 120;

/** The panel of the impairments. */
export class Controls {
  /** `refresh` asks the relay for its state, `tell` says what was done, `fail` what was refused. */
  constructor(refresh, tell, fail) {
    Object.assign(this, { refresh, tell, fail, state: null, presets: [] });
    this.fields = new Map();
    this.build(document.getElementById("fields"));
    this.peer = document.getElementById("peer-scope");
    this.preset = document.getElementById("preset");
    this.applyPreset = document.getElementById("preset-apply");
    this.peerEnd = document.getElementById("peer-end");
    for (const radio of document.getElementsByName("scope")) radio.addEventListener("change", () => this.show());
    this.peer.addEventListener("change", () => this.show());
    this.preset.addEventListener("change", () => this.showPreset());
    this.applyPreset.addEventListener("click", () => this.usePreset());
    document.getElementById("clear").addEventListener("click", () => this.replace(this.direction(), {}, say("clear")));
    document.getElementById("peer-form").addEventListener("submit", (event) => this.beginPeer(event));
    this.peerEnd.addEventListener("click", () => this.endPeer());
  }

  /** What the next change is for: `up`, `down` or `both`. */
  direction() {
    return document.querySelector("input[name=scope]:checked").value;
  }

  build(element) {
    for (const group of GROUPS) {
      const set = make("fieldset", { className: "group" });
      const legend = make("legend", {}, { t: group.name });
      set.append(legend);
      const more = make("details");
      more.append(make("summary", {}, { t: "more" }));
      for (const field of group.fields) {
        const row = field.isSwitch ? this.buildSwitch(field) : this.buildRow(field);
        (field.more ? more : set).append(row);
      }
      if (group.fields.some((field) => field.more)) set.append(more);
      element.append(set);
    }
  }

  buildSwitch(field) {
    const row = make("div", { className: "row" }, { word: field.word });
    const label = make("label", { className: "tick" });
    const input = make("input", { type: "checkbox", id: `field-${field.word}` });
    label.append(input, make("span", {}, { t: field.word }));
    const error = make("p", { className: "error", id: `error-${field.word}` });
    input.setAttribute("aria-describedby", error.id);
    row.append(label, error);
    input.addEventListener("change", () => this.change(field, input.checked ? true : null));
    this.fields.set(field.word, { field, row, input, error });
    return row;
  }

  buildRow(field) {
    const { word } = field;
    const row = make("div", { className: "row" }, { word });
    const label = make("label", { htmlFor: `field-${word}` }, { t: word });
    const input = make("input", { type: "text", id: `field-${word}`, autocomplete: "off", spellcheck: false });
    const error = make("p", { className: "error", id: `error-${word}` });
    input.setAttribute("aria-describedby", error.id);
    input.addEventListener("change", () => this.change(field, input.value.trim() || null));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.reset(word);
    });
    row.append(label, input);
    const parts = { field, row, input, error };
    if (field.examples.length) row.append(parts.examples = this.buildExamples(field));
    if (field.slider) row.append(parts.slider = this.buildSlider(field));
    row.append(error);
    this.fields.set(word, parts);
    return row;
  }

  buildExamples(field) {
    const select = make("select", { className: "examples" }, { tLabel: "examples", key: field.word });
    select.append(make("option", { value: "?", hidden: true, textContent: "…" }));
    select.append(make("option", { value: "" }, { t: "exampleNone" }));
    select.append(...field.examples.map((example) => make("option", { value: example, textContent: example })));
    select.addEventListener("change", () => {
      this.change(field, select.value || null);
      select.value = "?";
    });
    return select;
  }

  buildSlider(field) {
    const slider = make("input", { type: "range", min: 0, max: 100, step: 1 }, { tLabel: "slider", key: field.word });
    const slide = () => {
      const { input } = this.fields.get(field.word);
      const value = moved(field, input.value || undefined, Number(slider.value));
      input.value = value ?? "";
      slider.setAttribute("aria-valuetext", value ?? say("exampleNone"));
      return value;
    };
    slider.addEventListener("input", () => this.soon(field, slide()));
    slider.addEventListener("change", () => this.change(field, slide()));
    return slider;
  }

  /** A change while a slider is drawn: the last one counts. */
  soon(field, value) {
    const parts = this.fields.get(field.word);
    parts.next = value;
    parts.timer ??= setTimeout(() => {
      parts.timer = null;
      this.send(field, parts.next, false);
    }, ASKED_EVERY);
  }

  change(field, value) {
    const parts = this.fields.get(field.word);
    clearTimeout(parts.timer);
    parts.timer = null;
    return this.send(field, value, true);
  }

  async send(field, value, isLast) {
    const { word } = field;
    const parts = this.fields.get(word);
    parts.isSending = (parts.isSending ?? 0) + 1;
    try {
      await ask("PATCH", this.path(this.direction()), { [word]: value });
      this.explain(parts, "");
      if (isLast) this.tell(value === null ? say("isRemoved", { name: say(word) }) : say("isSet", { name: say(word), value }));
    } catch (error) {
      this.explain(parts, error.status ? [error.message, error.hint].filter(Boolean).join("; ") : say("failed"));
    } finally {
      parts.isSending -= 1;
    }
    if (isLast) await this.refresh();
  }

  /** Says at a field what the relay refused, or that it did not. */
  explain(parts, words) {
    parts.error.textContent = words;
    if (!words) {
      parts.input.removeAttribute("aria-invalid");
      return;
    }
    parts.input.setAttribute("aria-invalid", "true");
    this.fail(words);
  }

  path(direction) {
    const peer = this.peer.value;
    return `/api/impairments/${direction}${peer ? `?peer=${encodeURIComponent(peer)}` : ""}`;
  }

  /** Sets these impairments and no others. */
  async replace(direction, words, said) {
    try {
      await ask("PUT", this.path(direction), words);
      this.tell(said);
      for (const parts of this.fields.values()) this.explain(parts, "");
    } catch (error) {
      this.fail(error.status ? [error.message, error.hint].filter(Boolean).join("; ") : say("failed"));
    }
    await this.refresh();
  }

  /** The presets that the relay knows. */
  setPresets(presets) {
    this.presets = presets;
    const chosen = this.preset.value;
    const options = presets.map(({ name }) => make("option", { value: name, textContent: name }));
    this.preset.replaceChildren(this.preset.firstElementChild, ...options);
    this.preset.value = chosen;
    this.showPreset();
  }

  chosenPreset() {
    return this.presets.find(({ name }) => name === this.preset.value);
  }

  showPreset() {
    const preset = this.chosenPreset();
    this.applyPreset.disabled = !preset;
    document.getElementById("preset-source").textContent = preset?.source ?? "";
  }

  async usePreset() {
    const preset = this.chosenPreset();
    if (!preset) return;
    const direction = this.direction();
    for (const one of direction === "both" ? ["up", "down"] : [direction]) {
      await this.replace(one, preset[one], say("isSet", { name: say("preset"), value: preset.name }));
    }
  }

  async beginPeer(event) {
    event.preventDefault();
    const network = document.getElementById("peer-new");
    const value = network.value.trim();
    try {
      await ask("PUT", `/api/impairments/both?peer=${encodeURIComponent(value)}`, {});
      await this.refresh();
      const link = this.state?.peer_links.find(({ peer }) => peer === value) ?? this.state?.peer_links.at(-1);
      if (link) this.peer.value = link.peer;
      network.value = "";
      this.show();
    } catch (error) {
      this.fail(error.status ? [error.message, error.hint].filter(Boolean).join("; ") : say("failed"));
    }
  }

  async endPeer() {
    try {
      await ask("DELETE", this.path("both"));
    } catch (error) {
      this.fail(error.message);
    }
    this.peer.value = "";
    await this.refresh();
  }

  /** The state of the relay: fields show it, but for the one that is written in. */
  take(state) {
    this.state = state;
    const networks = (state.peer_links ?? []).map(({ peer }) => peer);
    const known = [...this.peer.options].slice(1).map(({ value }) => value);
    if (networks.join() !== known.join()) {
      const chosen = this.peer.value;
      const options = networks.map((network) => make("option", { value: network, textContent: network }));
      this.peer.replaceChildren(this.peer.firstElementChild, ...options);
      this.peer.value = networks.includes(chosen) ? chosen : "";
    }
    this.show();
  }

  /** The impairments of the links that the fields are for. */
  links() {
    const own = this.state.peer_links?.find(({ peer }) => peer === this.peer.value);
    const { up, down } = own ?? this.state;
    return { up: up.impairments, down: down.impairments };
  }

  show() {
    this.peerEnd.disabled = !this.peer.value;
    if (!this.state) return;
    const links = this.links();
    const direction = this.direction();
    for (const parts of this.fields.values()) this.showField(parts, links, direction);
  }

  showField(parts, links, direction) {
    const { word, isSwitch } = parts.field;
    const [up, down] = [links.up[word], links.down[word]];
    const value = direction === "both" ? up : links[direction][word];
    const differs = direction === "both" && String(up) !== String(down);
    parts.row.classList.toggle("set", value !== undefined || differs);
    if (parts.timer || parts.isSending) return;
    if (isSwitch) {
      parts.input.checked = value === true;
      parts.input.indeterminate = differs;
      return;
    }
    const shown = value === undefined || differs ? "" : String(value);
    const none = say("exampleNone");
    parts.input.placeholder = differs ? say("differs", { up: up ?? none, down: down ?? none }) : none;
    const isEdited = document.activeElement === parts.input && parts.input.value !== parts.shown;
    if (!isEdited && !parts.input.matches("[aria-invalid]")) {
      parts.input.value = shown;
      parts.shown = shown;
    }
    if (parts.slider && document.activeElement !== parts.slider) parts.slider.value = position(parts.field, value);
    parts.slider?.setAttribute("aria-valuetext", shown || parts.input.placeholder);
  }

  /** Forgets what was written into a field. */
  reset(word) {
    const parts = this.fields.get(word);
    this.explain(parts, "");
    parts.input.value = parts.shown ?? "";
  }

  /** Another language. */
  restyle() {
    for (const { examples, slider, field } of this.fields.values()) {
      for (const element of [examples, slider]) if (element) element.dataset.name = say(field.word);
    }
    relabel(document.getElementById("controls"));
    this.show();
  }
}

function make(tag, properties = {}, data = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, data);
  return element;
}
