// Puts the page together: what the address says is what is shown.

import * as api from "./api.js";
import { offerTemplates, storyWishes, wireForm } from "./form.js";
import { ENDED } from "./generation.js";
import { offerModel, pictureWishes } from "./picture_form.js";
import { PICTURE } from "./picture_view.js";
import { Shelf } from "./shelf.js";
import { Watcher } from "./socket.js";
import { STORY } from "./view.js";
import { buttonsFor, element, kindOf, showTimes } from "./work.js";

const $ = (id) => document.getElementById(id);
const KINDS = { story: STORY, image: PICTURE };
const WORDS = {
  retry: "Try again", resume: "Go on", pause: "Pause", cancel: "Cancel",
  copy: "Copy Markdown", download: "Download", delete: "Delete",
};
const PICTURE_FORM = "picture"; // in the address
const PAINTER_LOOK = 3000; // milliseconds

let kind = STORY;      // of the one that is open
let open = null;       // the one that is open
let wish = "";         // what it was asked for
let drawing = false;   // whether a frame is asked for
const shelf = new Shelf(["stories"]);

const watcher = new Watcher(api.token, {
  response(response) {
    const before = open.state;
    kind.fold(open, response, performance.now());
    if (open.state !== before) refreshShelf();
    draw();
  },
  ended() { draw(); refreshShelf(); },
  problem(problem) {
    if (problem.code === "UNAUTHENTICATED") askForToken();
    else if (problem.code === "NOT_FOUND") sayThereIsNone();
    else giveNotice(problem.message);
  },
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
    showButtons();
    if (following && !ENDED.has(open.state)) scrollTo({ top: document.body.scrollHeight });
  });
}

function showButtons() {
  const names = buttonsFor(open, kind.results(open));
  if ($("actions").dataset.names !== names.join()) replaceButtons(names);
  const pause = $("actions").querySelector('[data-name="pause"]');
  if (pause) pause.disabled = Boolean(open.pending);
}

function replaceButtons(names) {
  $("actions").dataset.names = names.join();
  const focused = document.activeElement?.dataset?.name;
  $("actions").replaceChildren(...names.map((name) => {
    const button = element("button", { type: "button", text: WORDS[name], onclick: () => press(name, button) });
    button.dataset.name = name;
    if (["retry", "resume"].includes(name)) button.className = "primary";
    return button;
  }));
  if (focused) $("actions").querySelector(`[data-name="${focused}"]`)?.focus();
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
    if (open) showButtons();
  }
}

const deeds = {
  async retry({ id, sequence }) { await api.command(id, "retry"); watcher.watch(id, sequence); },
  resume: ({ id }) => api.command(id, "resume"),
  pause: ({ id }) => api.command(id, "pause"),
  cancel: ({ id }) => api.command(id, "cancel"),
  async delete({ id }) { await api.remove(id); location.hash = kind === PICTURE ? PICTURE_FORM : ""; },
};

function giveNotice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function sayThereIsNone() {
  $("generation").hidden = true;
  giveNotice(`There is no such ${kind.noun} here.`);
}

async function show() {
  const place = decodeURIComponent(location.hash.slice(1));
  giveNotice("");
  $("form").hidden = Boolean(place);
  $("picture-form").hidden = place !== PICTURE_FORM;
  $("generation").hidden = !place || place === PICTURE_FORM;
  showSwitch(place);
  shelf.mark(place);
  if ($("generation").hidden) {
    close();
    watcher.stop();
    document.title = "Fabula";
    refreshShelf();
    return;
  }
  if (open?.id === place) return;
  begin(place);
  try {
    const { request } = await api.getGeneration(place);
    if (open?.id !== place) return;
    wish = kind.wish(request);
    open.request ??= request; // a snapshot does not bring it
    draw();
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    if (problem.code === "UNAUTHENTICATED") askForToken();
    else if (problem.code === "NOT_FOUND") sayThereIsNone();
  }
}

function showSwitch(place) {
  $("switch").hidden = !$("generation").hidden || !shelf.whats.includes("images");
  for (const link of $("switch").querySelectorAll("a")) {
    if (link.getAttribute("href") === `#${place}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function begin(id) {
  close();
  kind = KINDS[kindOf(id)] || STORY;
  $("generation").dataset.kind = kindOf(id);
  open = kind.empty(id);
  watcher.watch(id);
  scrollTo({ top: 0 });
  draw();
}

// Forgets the one that was open, and takes what it showed off the page.
function close() {
  kind.clear();
  open = null;
  wish = "";
  delete $("actions").dataset.names;
  $("actions").replaceChildren();
  $("text").replaceChildren();
  for (const id of ["colophon", "revision-box", "outline-box", "reviews-box"]) $(id).hidden = true;
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
addEventListener("hashchange", show);
setInterval(() => { if (open) showTimes(open, performance.now()); }, 1000);

// Offers pictures where there is a service that paints them, and looks again while it has no model yet.
async function lookForPainter() {
  try {
    offerModel((await api.getModel()).model);
    $("painter-hint").hidden = true;
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    if (["NOT_FOUND", "UNAUTHENTICATED"].includes(problem.code)) return;
    $("painter-hint").hidden = false;
    setTimeout(lookForPainter, PAINTER_LOOK);
  }
  if (shelf.whats.includes("images")) return;
  shelf.whats.push("images");
  $("new-picture").hidden = false;
  $("shelf-title").textContent = "My stories and pictures";
  showSwitch(decodeURIComponent(location.hash.slice(1)));
  refreshShelf();
}

async function look() {
  show();
  refreshShelf();
  lookForPainter();
  try {
    if ($("template").options.length === 1) offerTemplates((await api.listTemplates()).templates);
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;  // without templates the form works as well
  }
}
look();
