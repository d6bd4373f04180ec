// Changing a character: a form that loses nothing of what was typed, whatever else happens to the character meanwhile.

import * as api from "./api.js";
import { FIELDS, detailsOf, textsOf } from "./sheet.js";
import { element } from "./work.js";

const DRAFT = "character-draft"; // in the tab's storage, so that a reload keeps it
const MOST_TRIES = 5;

export class Edit {
  // `on` has: saved(character), changed() when the form shows something new, and closed()
  constructor(form, on) {
    this.form = form;
    this.on = on;
    this.isOpen = false;
    this.fields = form.querySelector(".fields");
    this.problem = form.querySelector(".problem");
    this.fields.append(...FIELDS.map(fieldOf));
    form.addEventListener("input", () => this.#keepDraft());
    form.addEventListener("submit", (event) => { event.preventDefault(); this.#send(); });
    form.querySelector("[name=leave]").addEventListener("click", () => { this.forget(); this.leave(); this.on.closed(); });
  }

  begin(character) {
    this.#show({ id: character.id, etag: character.etag, base: textsOf(character), typed: textsOf(character) });
    this.form.elements.namedItem(FIELDS[0].name).focus();
  }

  // Opens the form again where a reload or another page has come between.
  restore(character) {
    const draft = this.isOpen ? null : JSON.parse(sessionStorage.getItem(DRAFT) || "null");
    if (draft?.id === character.id) this.#show(draft);
  }

  // Closes the form; what was typed stays kept.
  leave() {
    this.isOpen = false;
    this.form.hidden = true;
  }

  forget() { sessionStorage.removeItem(DRAFT); }

  #show({ id, etag, base, typed }) {
    Object.assign(this, { id, etag, base, isOpen: true });
    for (const { name } of FIELDS) {
      this.#input(name).value = typed[name];
      this.#remark(name, "");
    }
    this.#say("");
    this.form.hidden = false;
    this.on.changed();
  }

  #input(name) { return this.form.elements.namedItem(name); }

  #typed() { return Object.fromEntries(FIELDS.map(({ name }) => [name, this.#input(name).value])); }

  #keepDraft() {
    const { id, etag, base } = this;
    sessionStorage.setItem(DRAFT, JSON.stringify({ id, etag, base, typed: this.#typed() }));
  }

  #say(text) {
    this.problem.textContent = text;
    this.problem.hidden = !text;
  }

  async #send() {
    const button = this.form.querySelector("[type=submit]");
    button.disabled = true;
    this.#say("");
    try {
      const kept = await this.#update();
      if (!kept) return;
      this.forget();
      this.leave();
      this.on.saved(kept);
      this.on.closed();
    } catch (problem) {
      this.#refuse(problem);
    } finally {
      button.disabled = false;
    }
  }

  // Says what is wrong, at the field if it is one.
  #refuse({ message, violations = [] }) {
    const wrong = FIELDS.find(({ name }) => name === (violations[0]?.field || "").split(".").pop().split("[")[0]);
    if (!wrong) return this.#say(message);
    const empty = wrong.needed && !this.#input(wrong.name).value.trim();
    this.#say(`${wrong.label.split(",")[0]}: ${empty ? "must not be empty" : violations[0].description}`);
    this.#input(wrong.name).focus();
  }

  // Returns the changed character; null if somebody else has changed it, too, and this was said.
  async #update() {
    const { id } = this, typed = this.#typed();
    const changes = { details: detailsOf(typed) };
    if (typed.history !== this.base.history) changes.history = typed.history;
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      try {
        return await api.updateCharacter(id, this.etag, changes);
      } catch (problem) {
        if (problem.code !== "SUPERSEDED") throw problem;
        const theirs = await api.getCharacter(id);
        if (this.#meet(theirs)) return null;
        this.etag = theirs.etag; // only its avatar has come, or it was kept: nothing that is written here
      }
    }
    throw new api.Problem({ code: "SUPERSEDED", message: "The character keeps changing. Nothing is lost here: try again." });
  }

  // Takes up what somebody else has written where nothing was typed, and shows it beside where something was.
  #meet(theirs) {
    const texts = textsOf(theirs), typed = this.#typed(), base = this.base;
    const changed = FIELDS.filter(({ name }) => texts[name] !== base[name]);
    if (!changed.length) return false;
    for (const { name } of FIELDS) this.#remark(name, "");
    for (const { name } of changed) {
      if (typed[name] === base[name]) {
        this.#input(name).value = texts[name];
        this.#remark(name, "Changed elsewhere; this is the new text.");
      } else if (typed[name] !== texts[name]) {
        this.#remark(name, `Changed elsewhere, too. There it is now: ${texts[name] || "(empty)"}`);
      }
    }
    Object.assign(this, { etag: theirs.etag, base: texts });
    this.#keepDraft();
    this.on.changed();
    const labels = changed.map(({ label }) => label.split(",")[0].toLowerCase()).join(", ");
    this.#say(`Not saved yet: this character was changed elsewhere while you wrote (${labels}). All that you typed is `
      + "still here. Look at the marked fields, then save to keep what stands in the form.");
    this.problem.scrollIntoView({ block: "center" });
    return true;
  }

  #remark(name, text) {
    const remark = this.fields.querySelector(`#edit-${name}-remark`);
    remark.textContent = text;
    remark.hidden = !text;
    this.#input(name).closest(".field").classList.toggle("contested", Boolean(text));
  }
}

function fieldOf({ name, label, most, number, rows, long, needed }) {
  const id = `edit-${name}`;
  const input = rows ? element("textarea", { rows }) : element("input", number ? { type: "number", min: 0, max: 100000 } : {});
  Object.assign(input, { id, name, required: Boolean(needed) });
  if (most) input.maxLength = most;
  input.setAttribute("aria-describedby", `${id}-remark`);
  const remark = element("span", { id: `${id}-remark`, className: "remark", hidden: true });
  return element("p", { className: `field${rows || long ? " wide" : ""}` },
    element("label", { htmlFor: id, text: label }), input, remark);
}
