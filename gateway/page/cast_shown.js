// Shows who was cast in a story, with a way to those of the library.

import * as api from "./api.js";
import { nameOf } from "./character.js";
import { portraitOf } from "./portrait.js";
import { element } from "./work.js";

const $ = (id) => document.getElementById(id);
const known = new Map(); // id -> promise of the character; null if it is not there

export function showCast(story) {
  const people = story.cast || story.request?.characters || [];
  const key = JSON.stringify(people.map(({ id, name }) => [id, name]));
  $("cast-shown").hidden = !people.length;
  if ($("cast-shown").dataset.key === key) return;
  $("cast-shown").dataset.key = key;
  $("cast-shown").replaceChildren(element("span", { text: "With" }), ...people.map(one));
}

const one = (person) => person.id ? link(person) : element("span", { className: "person", text: person.name || "" });

// By the name that the story has for it, else by its own as soon as that is known.
function link({ id, name }) {
  const frame = element("span", { className: "portrait" }), label = element("span", { text: name || "…" });
  const made = element("a", { href: `#${id}` }, frame, label);
  look(id).then((character) => {
    if (character) frame.replaceWith(portraitOf(character));
    if (!name) label.textContent = character ? nameOf(character.details) || "Nameless" : "somebody who is not in the library any more";
  });
  return made;
}

function look(id) {
  if (!known.has(id)) {
    known.set(id, api.getCharacter(id).catch((problem) => {
      if (problem.code !== "NOT_FOUND") known.delete(id); // asked again the next time
      return null;
    }));
  }
  return known.get(id);
}
