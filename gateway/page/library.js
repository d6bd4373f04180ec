// The library of characters: all of them, newest first, or those that are looked for.

import * as api from "./api.js";
import { inShort, nameOf } from "./character.js";
import { portraitOf } from "./portrait.js";
import { element, say } from "./work.js";

const $ = (id) => document.getElementById(id);
const TYPING = 250, LOOK_AGAIN = 3000; // milliseconds

export class LibraryView {
  // `unauthenticated` is called when a token is needed.
  constructor(unauthenticated) {
    this.unauthenticated = unauthenticated;
    $("library-query").addEventListener("input", () => this.#later(TYPING));
    $("library-saved").addEventListener("change", () => this.refresh());
    $("library-search").addEventListener("submit", (event) => { event.preventDefault(); this.refresh(); });
    $("library-more").addEventListener("click", () => this.#more());
  }

  // Shows the first page of what is looked for.
  async refresh() {
    clearTimeout(this.timer);
    const page = await this.#read("");
    if (!page) return;
    $("library-list").replaceChildren(...page.map(card));
    const looking = $("library-query").value.trim() || $("library-saved").value;
    const none = looking ? "Nobody here is like that." : "No characters yet. The first one will stand here.";
    say($("library-said"), page.length ? "" : none);
  }

  async #more() {
    const page = await this.#read(this.token);
    if (!page?.length) return;
    const cards = page.map(card);
    $("library-list").append(...cards);
    cards[0].querySelector("a").focus();
  }

  // Returns a page; null if it is not wanted any more, or is not to be had now.
  async #read(pageToken) {
    const asked = this.asked = { query: $("library-query").value.trim(), saved: $("library-saved").value, pageToken };
    try {
      const { characters, nextPageToken } = await api.listLibrary(asked);
      if (asked !== this.asked) return null;
      this.token = nextPageToken;
      $("library-more").hidden = !nextPageToken;
      return characters;
    } catch (problem) {
      if (!(problem instanceof api.Problem)) throw problem;
      if (asked !== this.asked) return null;
      if (problem.code === "UNAUTHENTICATED") this.unauthenticated();
      else this.#sayAway(problem);
      return null;
    }
  }

  #sayAway(problem) {
    say($("library-said"), `${problem.message} Looking again in a moment …`);
    this.#later(LOOK_AGAIN);
  }

  #later(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { if (!$("library").hidden) this.refresh(); }, wait);
  }
}

function card(character) {
  const { id, details, saved, expireTime } = character;
  const until = saved ? "Kept" : expireTime ? `Until ${new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" }).format(new Date(expireTime))}` : "";
  const link = element("a", { href: `#${id}` }, portraitOf(character), element("span", { className: "told" },
    element("strong", { text: nameOf(details) || "Nameless" }), element("span", { text: inShort(details) }),
    element("small", { className: saved ? "kept" : "", text: until })));
  return element("li", {}, link);
}
