// Shows a character while it is made, and as the library has it. Content is only ever set as text.

import * as api from "./api.js";
import { Avatar, isFailed, isPending } from "./avatar.js";
import { chooseForStory } from "./cast_choice.js";
import { emptyCharacter, foldCharacter, nameOf, newest } from "./character.js";
import { Edit } from "./character_edit.js";
import { drawId } from "./form.js";
import { ENDED } from "./generation.js";
import { isOffered } from "./offers.js";
import { showChapters } from "./prose.js";
import { showSheet } from "./sheet.js";
import { buttonsFor, element, say, showWork } from "./work.js";

const $ = (id) => document.getElementById(id);
const LOOK_AGAIN = 2500; // milliseconds

let open = null;     // the one that is open
let desk = null;     // the page: watcher, draw(), notice(text)
let avatar = null;
let looking = null;  // the newest look into the library
let timer;
let repaintId = "";  // of a repaint that nobody has confirmed yet

const edit = new Edit($("edit-form"), {
  saved(kept) { put(kept); },
  changed() { desk?.draw(); },
  closed() { // the focus goes back to the button that has opened it, once that is there again
    desk?.draw();
    requestAnimationFrame(() => setTimeout(() => $("actions").querySelector('[data-name="edit"]')?.focus()));
  },
});

function opened(character, at) {
  open = character;
  desk = at;
  avatar = new Avatar(desk.watcher, { draw: desk.draw, ended: look });
}

// Reads what the library has, when its generation has ended; and looks again as long as an avatar is to come.
function look() {
  clearTimeout(timer);
  const character = open;
  const mine = looking = api.getCharacter(character.id).then(
    (kept) => { if (mine === looking) put(kept); },
    (problem) => {
      if (!(problem instanceof api.Problem)) throw problem;
      if (mine !== looking) return;
      if (problem.code === "NOT_FOUND") character.kept = null;
      else if (problem.code !== "UNAUTHENTICATED") lookLater();
    });
  return mine;
}

function lookLater() {
  clearTimeout(timer);
  timer = setTimeout(look, LOOK_AGAIN);
}

function put(kept) {
  if (open?.id !== kept.id) return;
  open.kept = kept;
  if (isPending(kept.avatar)) lookLater();
  edit.restore(kept);
  desk.draw();
}

function clear() {
  clearTimeout(timer);
  avatar?.clear();
  edit.leave();
  open = avatar = looking = null;
  repaintId = "";
  $("sheet").hidden = $("seen-box").hidden = true;
  for (const id of ["details", "seen"]) { delete $(id).dataset.key; $(id).replaceChildren(); }
}

// A character outlives its generation: says whether the library has it, and then shows it as what it is, done.
const remains = (character) => character.outlives ??= outlives(character); // asked by each who misses it

async function outlives(character) {
  await look();
  if (open !== character || !character.kept) return false;
  Object.assign(character, { state: "STATE_SUCCEEDED", request: {}, progress: {} });
  desk.draw();
  return true;
}

function showCharacter(character, wish) {
  const now = newest(character), ended = ENDED.has(character.state);
  const name = nameOf(now.details || {}) || "A character, so far";
  say($("title-shown"), name);
  document.title = `${name} · Fabula`;
  const wished = character.request?.description || wish;
  say($("wish"), wished);
  $("wish").hidden = !wished;
  showWork(character);
  if (ended) say($("message"), character.kept ? keptUntil(character.kept) : "");
  const wanted = character.request?.generateAvatar && !ended && !now.avatar?.state && isOffered("image");
  $("sheet").hidden = !now.details;
  if (now.details) {
    showSheet($("details"), now.details);
    avatar.follow(now.avatar);
    avatar.show(now, wanted);
  }
  showRepaint(character);
  $("details").hidden = $("text").hidden = edit.isOpen;
  const telling = character.state === "STATE_RUNNING" && character.progress.stage === "generate_history";
  showChapters($("text"), now.history ? [{ text: now.history }] : [], false, telling);
  showSeen(character.analysis);
  showColophon(now);
}

const keptUntil = ({ saved, expireTime }) => saved ? "kept in your library"
  : expireTime ? `dropped on ${new Intl.DateTimeFormat(undefined, { dateStyle: "long" }).format(new Date(expireTime))} unless you keep it` : "";

function showRepaint(character) {
  const { state, readyGenerationId } = character.kept?.avatar ?? {};
  const can = character.kept && isOffered("image") && ENDED.has(character.state) && !isPending({ state });
  $("repaint").hidden = !can;
  say($("repaint"), isFailed({ state }) ? "Paint again" : readyGenerationId ? "Paint another" : "Paint an avatar");
}

function showSeen(analysis) {
  $("seen-box").hidden = !analysis;
  const key = JSON.stringify(analysis);
  if (!analysis || $("seen").dataset.key === key) return;
  $("seen").dataset.key = key;
  const facts = (analysis.facts || []).flatMap(({ name, value }) =>
    [element("dt", { text: name }), element("dd", { text: value })]);
  const told = facts.length ? element("dl", {}, ...facts) : element("p", { text: analysis.text || "" });
  const by = analysis.reader ? `Seen by ${analysis.reader}. ` : "";
  $("seen").replaceChildren(told, element("p", { className: "hint", text: `${by}${analysis.lacks || ""}` }));
}

function showColophon({ maker = "", seed }) {
  $("colophon").hidden = !maker;
  const who = maker.startsWith("grammar/") ? `the bundled maker (${maker}, a grammar, no language model)` : maker;
  say($("colophon"), `Made up by ${who}, seed ${seed ?? 0}.`);
}

$("repaint").addEventListener("click", async () => {
  const { id } = open;
  $("repaint").disabled = true;
  desk.notice("");
  try {
    repaintId ||= drawId(); // pressed again after an answer was lost it is the same avatar
    const kept = await api.repaint(id, repaintId);
    repaintId = "";
    put(kept);
  } catch (problem) {
    desk.notice(problem.message);
  } finally {
    $("repaint").disabled = false;
  }
});

function buttons(character) {
  const work = buttonsFor(character, []).filter((name) => name !== "delete");
  if (!ENDED.has(character.state)) return work;
  if (!character.kept) return [...work, "discard"];
  const { saved } = character.kept;
  return [...work, !saved && "keep", !edit.isOpen && "edit", isOffered("story") && "cast", "discard"].filter(Boolean);
}

const deeds = {
  async keep({ id }) { put(await api.saveCharacter(id)); },
  edit({ kept }) { edit.begin(kept); },
  cast({ kept }) {
    chooseForStory(kept);
    location.hash = "";
  },
  async discard(character) {
    const name = nameOf(newest(character).details) || "this character";
    if (!confirm(`Discard ${name}, with everything that was made of it? It cannot be brought back.`)) return;
    await api.discardCharacter(character.id);
    edit.forget();
    location.hash = character.kept ? "characters" : "character";
  },
};

export const CHARACTER = {
  noun: "character", empty: emptyCharacter, fold: foldCharacter, show: showCharacter, opened, ended: look, clear, remains,
  buttons, deeds, watching: { snapshot: false }, // its log is short, and tells what no snapshot does
  wish: (request) => request.description || (request.picture?.name ? `From the picture ${request.picture.name}` : ""),
};
