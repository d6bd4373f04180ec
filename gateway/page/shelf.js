// The shelf: what somebody has asked for, of all kinds, newest first.

import * as api from "./api.js";
import { element, kindOf, stateWord } from "./work.js";

const $ = (id) => document.getElementById(id);
const PAGE = 20, LOOK_AGAIN = 3000;
const KINDS = { image: "Picture · ", character: "Character · " };
const AVATAR = /^character-.*\.avatar-/; // the request ids of pictures that are painted for characters: shown with these

export class Shelf {
  constructor(whats) {
    this.whats = whats; // "stories", "images", "characters": what is listed
  }

  // Shows the first page. One whose service does not answer is left out, and asked again after a while.
  async refresh(openId) {
    clearTimeout(this.timer);
    const sources = this.sources = this.whats.map((what) => ({ list: api.list(what), token: "", found: [], more: true }));
    const page = await this.#next(sources);
    if (sources !== this.sources) return; // asked for again meanwhile
    const silent = sources.some((source) => source.silent);
    if (!silent || page.length) $("shelf").replaceChildren(...page.map(item));
    $("shelf-empty").hidden = silent || page.length > 0;
    this.mark(openId);
    if (silent) this.timer = setTimeout(() => this.refresh(openId), LOOK_AGAIN);
  }

  async older(openId) {
    $("shelf").append(...(await this.#next(this.sources)).map(item));
    this.mark(openId);
  }

  mark(openId) {
    for (const link of $("shelf").querySelectorAll("a")) {
      if (link.getAttribute("href") === `#${openId}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  // Returns the next page of all kinds together: each time the newest of the heads of the lists.
  async #next(sources) {
    const page = [];
    while (page.length < PAGE) {
      await Promise.all(sources.filter(({ found, more }) => more && !found.length).map(fill));
      const heads = sources.filter(({ found }) => found.length);
      if (!heads.length) break;
      heads.sort((one, other) => other.found[0].createTime.localeCompare(one.found[0].createTime));
      page.push(heads[0].found.shift());
    }
    $("older").hidden = !sources.some(({ found, more }) => more || found.length);
    return page;
  }
}

async function fill(source) {
  try {
    while (source.more && !source.found.length) {
      const { generations, nextPageToken } = await source.list(source.token);
      const found = generations.filter(({ requestId }) => !AVATAR.test(requestId));
      Object.assign(source, { found, token: nextPageToken, more: Boolean(nextPageToken) });
    }
  } catch (problem) {
    if (!(problem instanceof api.Problem) || problem.code === "UNAUTHENTICATED") throw problem;
    Object.assign(source, { more: false, silent: true });
  }
}

function item(generation) {
  const what = KINDS[kindOf(generation.id)] ?? "";
  const link = element("a", { href: `#${generation.id}` },
    element("span", { text: generation.title || "Untitled" }),
    element("small", { text: `${what}${stateWord(generation)} · ${when(generation.createTime)}` }));
  link.dataset.state = generation.state;
  return element("li", {}, link);
}

function when(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(undefined, today ? { timeStyle: "short" } : { dateStyle: "medium" }).format(date);
}
