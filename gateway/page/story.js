// A story as its events tell it: a plain value, and the fold that brings it up to date. Knows no page and no socket.

import { ENDED, emptyGeneration, foldGeneration, voided } from "./generation.js";

export function emptyStory(id) {
  return Object.assign(emptyGeneration(id), {
    cast: null,          // who is in it, with what the library knows of them
    outline: null,
    texts: new Map(),    // stage -> text written so far
    chapters: new Map(), // "write-N" -> chapter, once it is complete
    drafts: new Map(),   // "edit-N", "revise-N" -> chapters
    reviews: new Map(),  // "review-N" -> review
  });
}

export const foldStory = (story, response, now) => foldGeneration(story, response, now, takes);

const takes = {
  stageStarted(story, { stage }) { story.texts.delete(stage); },
  textDelta(story, { stage, text }) {
    story.texts.set(stage, (story.texts.get(stage) || "") + text);
  },
  stageRestarted(story, { stage }) { story.texts.delete(stage); },
  stageFinished(story, { stage }, response) {
    if (response.cast) story.cast = response.cast.characters || [];
    if (response.outline) story.outline = response.outline;
    if (response.chapter) story.chapters.set(stage, response.chapter);
    if (response.draft) story.drafts.set(stage, response.draft.chapters || []);
    if (response.review) story.reviews.set(stage, response.review);
  },
  retried(story, { fromStage }) {
    for (const name of voided(story, fromStage)) {
      for (const part of ["stages", "texts", "chapters", "drafts", "reviews"]) story[part].delete(name);
    }
    if (!story.stages.has("outline")) story.outline = null;
  },
  succeeded(story, _, response) { story.result = response.story; },
  snapshot(story, snapshot, response) { startOver(story, snapshot, response.story || {}); },
  reset(story, reset, response) { startOver(story, reset.snapshot || {}, response.story || {}); },
};

function startOver(story, snapshot, soFar) {
  const fresh = emptyStory(story.id);
  for (const part of ["texts", "chapters", "drafts", "reviews"]) story[part] = fresh[part];
  for (const { stage, text = "" } of snapshot.stages || []) if (text) story.texts.set(stage, text);
  const drafted = [...story.stages].filter(([name, { done }]) => done && /^(edit|revise)-/.test(name)).pop();
  if (drafted) story.drafts.set(drafted[0], soFar.chapters || []);
  (soFar.reviews || []).forEach((review, index) => story.reviews.set(`review-${index + 1}`, review));
  story.outline = soFar.outline || null;
  if (story.state === "STATE_SUCCEEDED") story.result = soFar;
}

export function titleOf(story) {
  return story.result?.title || story.outline?.title || story.request?.title || "";
}

// The newest text there is, chapter by chapter: the result, else the last draft, else what is being written.
export function chaptersOf(story) {
  if (story.result) return story.result.chapters || [];
  const draft = [...story.drafts.values()].pop();
  if (draft) return draft;
  const plans = story.outline?.chapters || [];
  return [...story.stages.keys()].filter((name) => name.startsWith("write-")).map((name) => {
    const number = Number(name.slice("write-".length));
    const plan = plans.find((each) => each.number === number);
    return story.chapters.get(name) || { number, title: plan?.title || "", text: story.texts.get(name) || "" };
  });
}

// What is being rewritten at this moment; empty if nothing is.
export function revisionOf(story) {
  const open = [...story.stages].find(([name, { done }]) => name.startsWith("revise-") && !done);
  return open && !ENDED.has(story.state) ? story.texts.get(open[0]) || "" : "";
}

export function markdownOf(story) {
  if (story.result?.text) return story.result.text;
  const chapters = chaptersOf(story).map(({ title, text }) => `## ${title}\n\n${text}`.trim());
  return [`# ${titleOf(story) || "Untitled"}`, ...chapters].join("\n\n") + "\n";
}
