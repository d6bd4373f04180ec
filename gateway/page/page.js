// Puts the page together: what the address says is what is shown.

import * as api from "./api.js";
import { offerCast } from "./cast_choice.js";
import { characterWishes } from "./character_form.js";
import { CHARACTER } from "./character_view.js";
import { clearButtons, showButtons } from "./controls.js";
import { storyWishes, wireForm } from "./form.js";
import { ENDED } from "./generation.js";
import { LibraryView } from "./library.js";
import { isMissing, isOffered, lookForOffers } from "./offers.js";
import { pictureWishes } from "./picture_form.js";
import { PICTURE } from "./picture_view.js";
import { Shelf } from "./shelf.js";
import { Watcher } from "./socket.js";
import { STORY } from "./view.js";
import { kindOf, showTimes } from "./work.js";

const $ = (id) => document.getElementById(id);
const KINDS = { story: STORY, image: PICTURE, character: CHARACTER };
const PLACES = { // what stands in the address -> what is shown, of which kind
  "": { shown: "form", kind: "story" },
  picture: { shown: "picture-form", kind: "image" },
  character: { shown: "character-form", kind: "character" },
  characters: { shown: "library", kind: "character" },
};
const LISTS = { story: "stories", image: "images", character: "characters" };
const NOUNS = { story: "stories", image: "pictures", character: "characters" };

let kind = STORY;      // of the one that is open
let open = null;       // the one that is open
let wish = "";         // what it was asked for
let drawing = false;   // whether a frame is asked for
const shelf = new Shelf(["stories"]);
const library = new LibraryView(askForToken);

const watcher = new Watcher(api.token, {
  problem: tell,
  unauthenticated: askForToken,
  connection(state, wait) {
    if (open) open.stale = state !== "open";
    const text = {
      connecting: "Connecting …", refused: "Fabula refused the connection.",
      waiting: wait > 1500 ? `Connection lost. Trying again in ${Math.round(wait / 1000)} s …` : "Connecting again …",
      open: "Live",
    }[state];
    $("connection").hidden = !text;
    $("connection").textContent = text || "";
    $("connection").dataset.state = state;
  },
});

const watching = { // the one that is open
  response(response) {
    const before = open.state;
    kind.fold(open, response, performance.now());
    if (open.state !== before) refreshShelf();
    draw();
  },
  ended() {
    kind.ended?.();
    draw();
    refreshShelf();
  },
  problem: tell,
};

function tell(problem) {
  if (problem.code === "UNAUTHENTICATED") askForToken();
  else if (problem.code === "NOT_FOUND") sayThereIsNone();
  else giveNotice(problem.message);
}

// Draws once a frame at most, however many events come in.
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    if (!open) return;
    const following = kind === STORY && innerHeight + scrollY >= document.body.scrollHeight - 60;
    kind.show(open, wish);
    showTimes(open, performance.now());
    showButtons(open, kind, press);
    if (following && !ENDED.has(open.state)) scrollTo({ top: document.body.scrollHeight });
  });
}

async function press(name, button) {
  if (name === "delete" && !confirm(`Delete this ${kind.noun}? It cannot be brought back.`)) return;
  button.disabled = true;
  try {
    await (kind.deeds[name] || deeds[name])(open, button);
  } catch (problem) {
    giveNotice(problem.message);
  } finally {
    button.disabled = false;
    if (open) showButtons(open, kind, press);
  }
}

const deeds = {
  async retry({ id, sequence }) { 
    await api.command(id, "retry");
    watcher.watch(id, watching, { ...kind.watching, cursor: sequence });
  },
  resume: ({ id }) => api.command(id, "resume"),
  pause: ({ id }) => api.command(id, "pause"),
  cancel: ({ id }) => api.command(id, "cancel"),
  async delete({ id }) { await api.remove(id); location.hash = kind === PICTURE ? "picture" : ""; },
};

function giveNotice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

async function sayThereIsNone() {
  const missing = open;
  if (!missing || await kind.remains?.(missing) || open !== missing) return;
  $("generation").hidden = true;
  giveNotice(`There is no such ${kind.noun} here.`);
}

// What the address says; where nothing of that kind is offered, what there is instead.
function placeNow() {
  const place = decodeURIComponent(location.hash.slice(1));
  if (!PLACES[place] || !isMissing(PLACES[place].kind)) return place;
  return Object.keys(PLACES).find((other) => isOffered(PLACES[other].kind)) ?? place;
}

async function show() {
  const place = placeNow(), shown = PLACES[place]?.shown ?? "generation";
  giveNotice("");
  for (const id of ["form", "picture-form", "character-form", "library", "generation"]) $(id).hidden = id !== shown;
  showSwitch(place);
  shelf.mark(place);
  if (shown === "generation") return showGeneration(place);
  close();
  watcher.stop();
  document.title = shown === "library" ? "My characters · Fabula" : "Fabula";
  refreshShelf();
  if (shown === "library") library.refresh();
  showCastChoice();
}

function showCastChoice() {
  if (isOffered("character") && !$("form").hidden && $("more").open) offerCast();
}

async function showGeneration(id) {
  if (open?.id === id) return;
  begin(id);
  try {
    const { request } = await api.getGeneration(id);
    if (open?.id !== id) return;
    wish = kind.wish(request);
    open.request ??= request; // a snapshot does not bring it
    draw();
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    if (["UNAUTHENTICATED", "NOT_FOUND"].includes(problem.code)) tell(problem);
  }
}

function showSwitch(place) {
  const links = [...$("switch").querySelectorAll("a")];
  for (const link of [...links, ...document.querySelectorAll(".shelf .new")]) link.hidden = !isOffered(link.dataset.kind);
  $("switch").hidden = !$("generation").hidden || links.filter((link) => !link.hidden).length < 2;
  for (const link of links) {
    if (link.getAttribute("href") === `#${place}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function begin(id) {
  close();
  kind = KINDS[kindOf(id)] || STORY;
  $("generation").dataset.kind = kindOf(id);
  open = kind.empty(id);
  watcher.watch(id, watching, kind.watching);
  kind.opened?.(open, { watcher, draw, notice: giveNotice });
  scrollTo({ top: 0 });
  draw();
}

// Forgets the one that was open, and takes what it showed off the page.
function close() {
  if (open) watcher.leave(open.id);
  kind.clear();
  open = null;
  wish = "";
  clearButtons();
  $("text").replaceChildren();
  for (const id of ["colophon", "revision-box", "outline-box", "reviews-box", "cast-shown"]) $(id).hidden = true;
}

async function refreshShelf() {
  try {
    await shelf.refresh(open?.id);
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    if (problem.code === "UNAUTHENTICATED") askForToken();
  }
}

function askForToken() {
  if (!$("token-dialog").open) $("token-dialog").showModal();
}

$("token-dialog").addEventListener("close", () => {
  if (!$("token").value.trim()) return;
  api.keepToken($("token").value);
  $("token").value = "";
  close();
  look();
});
$("older").addEventListener("click", () => shelf.older(open?.id));

function wire(form, read, what, first) {
  wireForm(form, read, async (request, file) => {
    const generation = await api.start(what, request, file);
    location.hash = generation.id;
    $("main").focus({ preventScroll: true });
  }, first);
}
wire($("form"), storyWishes, "stories", $("premise"));
wire($("picture-form"), pictureWishes, "images", $("prompt"));
wire($("character-form"), characterWishes, "characters", $("character-description"));
addEventListener("hashchange", show);
$("more").addEventListener("toggle", showCastChoice);
setInterval(() => { if (open) showTimes(open, performance.now()); }, 1000);

// Shows what is offered by now, and nothing else.
function showOffers() {
  const kinds = Object.keys(LISTS).filter(isOffered), nouns = kinds.map((each) => NOUNS[each]);
  shelf.whats = kinds.map((each) => LISTS[each]);
  $("shelf-title").textContent = `My ${[nouns.slice(0, -1).join(", "), ...nouns.slice(-1)].filter(Boolean).join(" and ")}`;
  $("paint-avatar-field").hidden = !isOffered("image");
  $("cast-field").hidden ||= !isOffered("character");
  const place = placeNow(), shown = PLACES[place]?.shown;
  if (shown && $(shown).hidden) return show();
  showSwitch(place);
  refreshShelf();
  showCastChoice();
  draw();
}

function look() {
  show();
  refreshShelf();
  lookForOffers(showOffers);
}
look();
