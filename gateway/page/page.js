// Puts the page together: what the address says is what is shown.

import * as api from "./api.js";
import { offerTemplates, wireForm } from "./form.js";
import { Watcher } from "./socket.js";
import { ENDED, emptyStory, fold, titleOf } from "./story.js";
import { buttonsFor, element, markdown, showStory, showTimes, stateWord } from "./view.js";

const $ = (id) => document.getElementById(id);
const WORDS = {
  retry: "Try again", resume: "Go on", pause: "Pause", cancel: "Cancel",
  copy: "Copy Markdown", download: "Download", delete: "Delete",
};

let story = null;      // the one that is open
let premise = "";      // what it was asked for
let drawing = false;   // whether a frame is asked for
let shelfToken = "";   // next page of the shelf

const watcher = new Watcher(api.token, {
  response(response) {
    const before = story.state;
    fold(story, response, performance.now());
    if (story.state !== before) refreshShelf();
    draw();
  },
  ended() { draw(); refreshShelf(); },
  problem(problem) {
    if (problem.code === "UNAUTHENTICATED") askForToken();
    else giveNotice(problem.code === "NOT_FOUND" ? "There is no such story here." : problem.message);
  },
  unauthenticated: askForToken,
  connection(state, wait) {
    if (story) story.stale = state !== "open";
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
    if (!story) return;
    const following = innerHeight + scrollY >= document.body.scrollHeight - 60;
    showStory(story, premise);
    showTimes(story, performance.now());
    showButtons();
    if (following && !ENDED.has(story.state)) scrollTo({ top: document.body.scrollHeight });
  });
}

function showButtons() {
  const names = buttonsFor(story);
  if ($("actions").dataset.names !== names.join()) replaceButtons(names);
  const pause = $("actions").querySelector('[data-name="pause"]');
  if (pause) pause.disabled = Boolean(story.pending);
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
  if (name === "delete" && !confirm("Delete this story? It cannot be brought back.")) return;
  button.disabled = true;
  try {
    await deeds[name](story, button);
  } catch (problem) {
    giveNotice(problem.message);
  } finally {
    button.disabled = false;
    showButtons();
  }
}

const deeds = {
  async retry(open) { await api.command(open.id, "retry"); watcher.watch(open.id, open.sequence); },
  resume: (open) => api.command(open.id, "resume"),
  pause: (open) => api.command(open.id, "pause"),
  cancel: (open) => api.command(open.id, "cancel"),
  async delete(open) { await api.deleteStory(open.id); location.hash = ""; },
  async copy(open, button) {
    await navigator.clipboard.writeText(markdown(open));
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = WORDS.copy; }, 2000);
  },
  async download(open) {
    const name = titleOf(open).toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "story";
    const url = URL.createObjectURL(new Blob([markdown(open)], { type: "text/markdown" }));
    element("a", { href: url, download: `${name}.md` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  },
};

function giveNotice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

async function show() {
  const id = decodeURIComponent(location.hash.slice(1));
  giveNotice("");
  $("form").hidden = Boolean(id);
  $("story").hidden = !id;
  markShelf(id);
  if (!id) {
    story = null;
    watcher.stop();
    document.title = "Fabula";
    refreshShelf();
    return;
  }
  if (story?.id === id) return;
  open(id);
  try {
    const { request } = await api.getStory(id);
    if (story?.id === id) { premise = request.premise || request.source?.name || ""; draw(); }
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    if (problem.code === "UNAUTHENTICATED") askForToken();
    else if (problem.code === "NOT_FOUND") { $("story").hidden = true; giveNotice("There is no such story here."); }
  }
}

function open(id) {
  story = emptyStory(id);
  premise = "";
  delete $("actions").dataset.names;
  $("actions").replaceChildren();
  watcher.watch(id);
  scrollTo({ top: 0 });
  draw();
}

async function refreshShelf() {
  try {
    const { generations, nextPageToken } = await api.listStories();
    shelfToken = nextPageToken;
    $("shelf").replaceChildren(...generations.map(shelfItem));
    $("shelf-empty").hidden = generations.length > 0;
    $("older").hidden = !shelfToken;
    markShelf(story?.id);
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    if (problem.code === "UNAUTHENTICATED") askForToken();
  }
}

function shelfItem(generation) {
  const link = element("a", { href: `#${generation.id}` },
    element("span", { text: generation.title || "Untitled" }),
    element("small", { text: `${stateWord(generation)} · ${when(generation.createTime)}` }));
  link.dataset.state = generation.state;
  return element("li", {}, link);
}

function when(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(undefined, today ? { timeStyle: "short" } : { dateStyle: "medium" }).format(date);
}

function markShelf(id) {
  for (const link of $("shelf").querySelectorAll("a")) {
    if (link.getAttribute("href") === `#${id}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function askForToken() {
  if (!$("token-dialog").open) $("token-dialog").showModal();
}

$("token-dialog").addEventListener("close", () => {
  if (!$("token").value.trim()) return;
  api.keepToken($("token").value);
  $("token").value = "";
  story = null;
  begin();
});
$("older").addEventListener("click", async () => {
  const { generations, nextPageToken } = await api.listStories(shelfToken);
  shelfToken = nextPageToken;
  $("shelf").append(...generations.map(shelfItem));
  $("older").hidden = !shelfToken;
});

wireForm(async (request, file) => {
  const generation = await api.startStory(request, file);
  location.hash = generation.id;
  $("main").focus({ preventScroll: true });
});
addEventListener("hashchange", show);
setInterval(() => { if (story) showTimes(story, performance.now()); }, 1000);

async function begin() {
  show();
  refreshShelf();
  try {
    if ($("template").options.length === 1) offerTemplates((await api.listTemplates()).templates);
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;  // without templates the form works as well
  }
}
begin();
