// The form for a story, and what all forms have in common: what is wished for becomes a request.

import { chosenCast } from "./cast_choice.js";

const $ = (id) => document.getElementById(id);
const TEXTS = ["premise", "title", "genre", "tone", "audience", "instructions"];
const NUMBERS = ["words", "chapters"];

export function storyWishes() {
  const request = {};
  for (const name of TEXTS) if ($(name).value.trim()) request[name] = $(name).value.trim();
  for (const name of NUMBERS) if ($(name).value) request[name] = Number($(name).value);
  const characters = $("characters").value.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const [name, ...rest] = line.split(":");
    return { name: name.trim(), description: rest.join(":").trim() };
  });
  const cast = [...chosenCast(), ...characters];
  if (cast.length) request.characters = cast;
  return request;
}

export function drawId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Wires a form whose wishes `read` returns: `start(request, file)` is called when they are sent. The same wishes sent
// twice are one generation. `first` is the field that a problem belongs to which names none of the form's.
export function wireForm(form, read, start, first) {
  const button = form.querySelector("[type=submit]"), more = form.querySelector("details");
  const problemShown = form.querySelector(":scope > .problem"), file = form.querySelector("[type=file]");
  const say = (text) => { problemShown.textContent = text; problemShown.hidden = !text; };
  let requestId = drawId();
  form.addEventListener("input", () => { requestId = drawId(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say("");
    button.disabled = true;
    try {
      await start({ ...read(), requestId }, file.files[0]);
      form.reset();
      requestId = drawId();
    } catch (problem) {
      say(problem.message);
      const name = (problem.violations?.[0]?.field || "").split(/[.[]/)[0];
      const field = form.elements.namedItem(name) || first;
      if (more.contains(field)) more.open = true;
      field.focus();
    } finally {
      button.disabled = false;
    }
  });
  first.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

export function offerTemplates(templates) {
  const select = $("template");
  for (const { name } of templates) select.append(new Option(name.replaceAll("-", " "), name));
  $("templates-field").hidden = !templates.length;
  $("form").addEventListener("reset", () => { $("template-hint").textContent = ""; });
  select.onchange = () => {
    const chosen = templates.find(({ name }) => name === select.value);
    $("template-hint").textContent = chosen?.description || "";
    if (!chosen) return;
    for (const name of [...TEXTS, ...NUMBERS]) $(name).value = chosen.story[name] || "";
    $("characters").value = (chosen.story.characters || [])
      .map(({ name, description }) => description ? `${name}: ${description}` : name).join("\n");
  };
}
