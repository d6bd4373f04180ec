// What the page shows of every generation: where it stands, how far it is, which stages it has. Content is only ever set
// as text.

import { ENDED } from "./generation.js";

const $ = (id) => document.getElementById(id);

const STATES = {
  STATE_QUEUED: "Waiting", STATE_RUNNING: "Writing", STATE_PAUSED: "Paused",
  STATE_SUCCEEDED: "Done", STATE_FAILED: "Failed", STATE_CANCELLED: "Cancelled",
};
const AT_WORK = { image: "Painting", character: "Making" }; // what running is called, where it is not writing
const PENDING = { PENDING_REQUEST_CANCEL: "Cancelling", PENDING_REQUEST_PAUSE: "Pausing" };

export const kindOf = (id) => id.slice(0, id.indexOf("-"));

export function stateWord({ id, state, pendingRequest, pending }) {
  return PENDING[pendingRequest || pending] || (state === "STATE_RUNNING" && AT_WORK[kindOf(id)]) || STATES[state] || "";
}

export function element(name, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

// Sets a text only where it differs: screen readers are told of changes alone, and a selection survives.
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

// A file's name made of what something is called.
export const fileName = (title, otherwise) =>
  title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60).replace(/^-|-$/g, "") || otherwise;

export function showWork(generation) {
  const ended = ENDED.has(generation.state);
  const queued = generation.progress.queuePosition;
  say($("state"), stateWord(generation));
  const waiting = queued === undefined ? "for a worker" : queued === 0 ? "next in line" : `${queued} before it`;
  say($("message"), ended ? "" : generation.state === "STATE_QUEUED" ? waiting : doing(generation));
  $("bar").value = generation.progress.fraction || 0;
  $("bar").hidden = $("stages-box").hidden = generation.state === "STATE_SUCCEEDED";
  $("work").dataset.state = generation.state;
  showStages(generation);
  const why = generation.state === "STATE_FAILED" ? generation.failure?.message || "It failed, and nobody said why." : "";
  say($("failure"), why);
  $("failure").hidden = !why;
}

// The steps of a story's stages are words, which nobody counts.
function doing(generation) {
  const { message = "", step = 0, steps } = generation.progress;
  if (!steps || kindOf(generation.id) !== "image") return message;
  return `${message === stateWord(generation) ? "" : `${message}, `}step ${step} of ${steps}`;
}

function showStages(generation) {
  const items = [...generation.stages].map(([name, { agents, done, note }]) => {
    const active = !done && generation.progress.stage === name && !ENDED.has(generation.state);
    const at = active ? (generation.progress.activeAgents || []).join(", ") : "";
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

export function showTimes(generation, now) {
  const running = generation.state === "STATE_RUNNING" && !generation.stale;
  const since = running ? (now - generation.heardAt) / 1000 : 0;
  const { elapsed, remainingP50, remainingP90 } = generation.progress;
  const spent = seconds(elapsed);
  say($("elapsed"), spent === null ? "" : `${duration(spent + since)} of work`);
  const known = !ENDED.has(generation.state) && seconds(remainingP50) !== null;
  const left = known ? interval(seconds(remainingP50) - since, seconds(remainingP90) - since) : "time left not known yet";
  say($("remaining"), ENDED.has(generation.state) || generation.state === "STATE_PAUSED" ? "" : left);
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

// The buttons that fit; `results` are those for what was made.
export function buttonsFor(generation, results) {
  const { state, pending } = generation;
  const working = ["STATE_QUEUED", "STATE_RUNNING"].includes(state), ended = ENDED.has(state);
  return [
    state === "STATE_FAILED" && "retry",
    state === "STATE_PAUSED" && "resume",
    working && pending !== "PENDING_REQUEST_CANCEL" && "pause", // stays in place while it is pending
    !ended && state && pending !== "PENDING_REQUEST_CANCEL" && "cancel",
    ...(ended ? results : []),
    ended && "delete",
  ].filter(Boolean);
}
