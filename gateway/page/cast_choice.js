// Choosing characters of the library for a story: who is chosen stays chosen, whatever is looked for next.

import * as api from "./api.js";
import { inShort, nameOf } from "./character.js";
import { portraitOf } from "./portrait.js";
import { element, say } from "./work.js";

const $ = (id) => document.getElementById(id);
const TYPING = 250; // milliseconds
const MOST = 12, PAGE = 12; // a story takes twelve characters

const chosen = new Map(); // id -> character
let asked = null, timer;

export const chosenCast = () => [...chosen.keys()].map((id) => ({ id }));

// Fills the list; called when the form is shown.
export async function offerCast() {
  const mine = asked = $("cast-query").value.trim();
  try {
    const { characters, nextPageToken } = await api.listLibrary({ query: mine, pageSize: PAGE });
    if (mine !== asked) return;
    show(characters, mine, Boolean(nextPageToken));
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    say($("cast-said"), problem.message);
  }
}

export function chooseForStory(character) {
  chosen.set(character.id, character);
  $("more").open = true;
}

function show(found, query, more) {
  const listed = [...chosen.values(), ...found.filter(({ id }) => !chosen.has(id))];
  $("cast-field").hidden = !listed.length && !query; // nothing to choose from
  $("cast-choice").replaceChildren(...listed.map(choice));
  bound();
  say($("cast-said"), query && !found.length ? "Nobody in your library is like that."
    : more ? "There are more: find them by name, kind or profession." : "");
}

function choice(character) {
  const { id, details } = character;
  const box = element("input", { type: "checkbox", value: id, checked: chosen.has(id) });
  box.addEventListener("change", () => {
    if (box.checked) chosen.set(id, character);
    else chosen.delete(id);
    bound();
  });
  return element("li", {}, element("label", {}, box, portraitOf(character), element("span", {},
    element("strong", { text: nameOf(details) || "Nameless" }), element("small", { text: inShort(details) }))));
}

function bound() {
  for (const box of $("cast-choice").querySelectorAll("input")) box.disabled = !box.checked && chosen.size >= MOST;
  say($("cast-count"), chosen.size ? `${chosen.size} chosen` : "");
}

$("cast-query").addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(offerCast, TYPING);
});
$("form").addEventListener("reset", () => {
  chosen.clear();
  if (!$("cast-field").hidden) setTimeout(offerCast); // the fields are empty after the event
});
