// Shows a story. Content is only ever set as text.

import { ENDED, chaptersOf, markdownOf, revisionOf, titleOf } from "./story.js";

const $ = (id) => document.getElementById(id);

const STATES = {
  STATE_QUEUED: "Waiting", STATE_RUNNING: "Writing", STATE_PAUSED: "Paused",
  STATE_SUCCEEDED: "Done", STATE_FAILED: "Failed", STATE_CANCELLED: "Cancelled",
};
const PENDING = { PENDING_REQUEST_CANCEL: "Cancelling", PENDING_REQUEST_PAUSE: "Pausing" };

export const stateWord = ({ state, pendingRequest, pending }) => PENDING[pendingRequest || pending] || STATES[state] || "";

export function element(name, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

// Sets a text only where it differs: screen readers are told of changes alone, and a selection survives.
function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function showStory(story, premise) {
  const title = titleOf(story) || "Untitled, so far";
  say($("story-title"), title);
  document.title = `${title} · Fabula`;
  const wished = story.request?.premise || premise;
  say($("story-premise"), wished);
  $("story-premise").hidden = !wished;
  showWork(story);
  const chapters = chaptersOf(story), planned = story.outline?.chapters?.length || 0;
  showChapters($("text"), chapters, Math.max(planned, chapters.length) > 1, story.state === "STATE_RUNNING");
  showRevision(story);
  showOutline(story.outline);
  showReviews([...story.reviews.values()]);
  showColophon(story.result);
}

function showWork(story) {
  const ended = ENDED.has(story.state);
  const queued = story.progress.queuePosition;
  say($("state"), stateWord(story));
  const waiting = queued === undefined ? "for an author" : queued === 0 ? "next in line" : `${queued} before it`;
  say($("message"), ended ? "" : story.state === "STATE_QUEUED" ? waiting : story.progress.message || "");
  $("bar").value = story.progress.fraction || 0;
  $("bar").hidden = $("stages-box").hidden = story.state === "STATE_SUCCEEDED";
  $("work").dataset.state = story.state;
  showStages(story);
  const why = story.state === "STATE_FAILED" ? story.failure?.message || "It failed, and nobody said why." : "";
  say($("story-problem"), why);
  $("story-problem").hidden = !why;
}

function showStages(story) {
  const items = [...story.stages].map(([name, { agents, done, note }]) => {
    const active = !done && story.progress.stage === name && !ENDED.has(story.state);
    const at = active ? (story.progress.activeAgents || []).join(", ") : "";
    const state = done ? "done" : active ? "active" : "open";
    return { state, text: stageName(name), more: [at || (done ? "" : agents.join(", ")), note].filter(Boolean).join(" · ") };
  });
  const list = $("stages");
  while (list.children.length > items.length) list.lastChild.remove();
  items.forEach(({ state, text, more }, index) => {
    if (!list.children[index]) list.append(element("li", {}, element("span"), element("small")));
    const item = list.children[index];
    item.className = state;
    item.setAttribute("aria-label", `${text}: ${{ done: "done", active: "at work", open: "not finished" }[state]}`);
    say(item.children[0], text);
    say(item.children[1], more);
  });
}

function stageName(name) {
  const [what, number] = name.split(/-(?=\d+$)/);
  const words = what.replaceAll("_", " ");
  return (words[0].toUpperCase() + words.slice(1)) + (number ? ` ${number}` : "");
}

export function showTimes(story, now) {
  const running = story.state === "STATE_RUNNING" && !story.stale;
  const since = running ? (now - story.heardAt) / 1000 : 0;
  const { elapsed, remainingP50, remainingP90 } = story.progress;
  const spent = seconds(elapsed);
  say($("elapsed"), spent === null ? "" : `${duration(spent + since)} of work`);
  const known = !ENDED.has(story.state) && seconds(remainingP50) !== null;
  const left = known ? interval(seconds(remainingP50) - since, seconds(remainingP90) - since) : "time left not known yet";
  say($("remaining"), ENDED.has(story.state) || story.state === "STATE_PAUSED" ? "" : left);
}

// A Duration in proto3 JSON is a text such as "12.5s".
const seconds = (text) => text === undefined ? null : Number.parseFloat(text);

function duration(value) {
  const whole = Math.max(0, Math.round(value));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor(whole / 60) % 60).padStart(2, "0")} min`;
}

// An estimate is shown as coarsely as it is known.
function coarse(value) {
  const step = value < 10 ? 1 : value < 60 ? 5 : value < 600 ? 30 : 300;
  return Math.max(0, Math.round(value / step) * step);
}

function interval(p50, p90) {
  const [low, high] = [coarse(p50), coarse(Math.max(p50, p90))];
  if (high <= 1) return "nearly done";
  if (low === high) return `about ${duration(high)} left`;
  if (high < 60) return `about ${low}–${high} s left`;
  return `about ${duration(low)} to ${duration(high)} left`;
}

function showChapters(target, chapters, several, growing) {
  while (target.children.length > chapters.length) target.lastChild.remove();
  chapters.forEach(({ title, text = "" }, index) => {
    if (!target.children[index]) target.append(element("section", {}, element("h2"), element("div")));
    const [heading, body] = target.children[index].children;
    say(heading, title || "");
    heading.hidden = !title || !several;
    showParagraphs(body, text);
    target.children[index].classList.toggle("growing", growing && index === chapters.length - 1);
  });
}

function showParagraphs(target, text) {
  const paragraphs = text.split(/\n\s*\n/).map((each) => each.trim()).filter(Boolean);
  while (target.children.length > paragraphs.length) target.lastChild.remove();
  paragraphs.forEach((paragraph, index) => {
    if (!target.children[index]) target.append(element("p"));
    say(target.children[index], paragraph);
  });
}

function showRevision(story) {
  const text = revisionOf(story);
  $("revision-box").hidden = !text;
  showParagraphs($("revision"), text);
}

function showOutline(outline) {
  $("outline-box").hidden = !outline;
  const key = JSON.stringify(outline);
  if (!outline || $("outline").dataset.key === key) return;
  const facts = [["Logline", outline.logline], ["Genre", outline.genre], ["Setting", outline.setting], ["Theme", outline.theme]];
  const people = (outline.cast || []).map(({ name, description }) => description ? `${name}, ${description}` : name);
  const rows = [...facts, ["People", people.join("; ")]].filter(([, value]) => value);
  const chapters = (outline.chapters || []).map(({ title, summary }) =>
    element("li", {}, element("strong", { text: title || "" }), ` ${summary || ""}`));
  $("outline").dataset.key = key;
  $("outline").replaceChildren(
    element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })])),
    element("ol", {}, ...chapters));
}

function showReviews(reviews) {
  $("reviews-box").hidden = !reviews.length;
  const key = JSON.stringify(reviews);
  if ($("reviews").dataset.key === key) return;
  $("reviews").dataset.key = key;
  $("reviews").replaceChildren(...reviews.flatMap(({ accepted, findings = [] }, index) => [
    element("p", { text: `Round ${index + 1}: ${accepted ? "accepted" : "to be revised"}` }),
    element("ul", {}, ...findings.map(({ check, reason, chapter }) =>
      element("li", { text: `${chapter ? `Chapter ${chapter}, ` : ""}${check}: ${reason}` }))),
  ]));
}

function showColophon(result) {
  $("colophon").hidden = !result;
  if (!result) return;
  const author = result.model?.startsWith("grammar/") ? `the bundled author (${result.model}, a story grammar, no language model)` : result.model;
  say($("colophon"), `${result.wordCount ?? 0} words, written by ${author || "an author without a name"}, seed ${result.seed ?? 0}.`);
}

export function buttonsFor(story) {
  const working = ["STATE_QUEUED", "STATE_RUNNING"].includes(story.state);
  const ended = ENDED.has(story.state);
  return [
    story.state === "STATE_FAILED" && "retry",
    story.state === "STATE_PAUSED" && "resume",
    working && story.pending !== "PENDING_REQUEST_CANCEL" && "pause", // stays in place while it is pending
    !ended && story.state && story.pending !== "PENDING_REQUEST_CANCEL" && "cancel",
    ended && chaptersOf(story).length > 0 && "copy",
    ended && chaptersOf(story).length > 0 && "download",
    ended && "delete",
  ].filter(Boolean);
}

export const markdown = markdownOf;
