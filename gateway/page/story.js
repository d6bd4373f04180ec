// A story as its events tell it: a plain value, and the fold that brings it up to date. Knows no page and no socket.

export const ENDED = new Set(["STATE_SUCCEEDED", "STATE_FAILED", "STATE_CANCELLED"]);

export function emptyStory(id) {
  return {
    id, sequence: 0, state: "", pending: "", run: 1, progress: {}, heardAt: 0,
    request: null, outline: null, result: null, failure: null, retryable: false,
    stages: new Map(),   // name -> { agents, done, note }
    texts: new Map(),    // stage -> text written so far
    chapters: new Map(), // "write-N" -> chapter, once it is complete
    drafts: new Map(),   // "edit-N", "revise-N" -> chapters
    reviews: new Map(),  // "review-N" -> review
  };
}

// Takes in one WatchProgressResponse. Fields that have their default value are absent in JSON.
export function fold(story, response, now) {
  const event = response.event;
  if (event.sequence) story.sequence = event.sequence;
  Object.assign(story, {
    state: event.state, pending: event.pendingRequest || "", run: event.run || 1,
    progress: event.progress || {}, heardAt: now,
  });
  if (response.request) story.request = response.request;
  for (const [body, take] of Object.entries(takes)) {
    if (event[body]) take(story, event[body], response);
  }
}

const takes = {
  stageStarted(story, { stage, agents = [] }) {
    story.stages.set(stage, { agents, done: false, note: "" });
    story.texts.delete(stage);
  },
  textDelta(story, { stage, text }) {
    story.texts.set(stage, (story.texts.get(stage) || "") + text);
  },
  stageRestarted(story, { stage, reason }) {
    const agents = story.stages.get(stage)?.agents || [];
    story.stages.set(stage, { agents, done: false, note: reason || "begun again" });
    story.texts.delete(stage);
  },
  stageFinished(story, { stage }, response) {
    const known = story.stages.get(stage) || { agents: [], note: "" };
    story.stages.set(stage, { ...known, done: true });
    if (response.outline) story.outline = response.outline;
    if (response.chapter) story.chapters.set(stage, response.chapter);
    if (response.draft) story.drafts.set(stage, response.draft.chapters || []);
    if (response.review) story.reviews.set(stage, response.review);
  },
  retried(story, { fromStage }) {
    const names = [...story.stages.keys()];
    const kept = names.includes(fromStage) ? names.slice(0, names.indexOf(fromStage)) : names;
    for (const name of names) {
      if (kept.includes(name) && story.stages.get(name).done) continue;
      for (const part of ["stages", "texts", "chapters", "drafts", "reviews"]) story[part].delete(name);
    }
    if (!story.stages.has("outline")) story.outline = null;
    story.failure = null;
  },
  failed(story, { failure, retryable }) {
    story.failure = failure || {};
    story.retryable = Boolean(retryable);
  },
  succeeded(story, _, response) { story.result = response.story; },
  snapshot(story, snapshot, response) { startOver(story, snapshot, response.story || {}); },
  reset(story, reset, response) { startOver(story, reset.snapshot || {}, response.story || {}); },
};

function startOver(story, snapshot, soFar) {
  const fresh = emptyStory(story.id);
  for (const part of ["stages", "texts", "chapters", "drafts", "reviews", "outline", "result", "failure"]) {
    story[part] = fresh[part];
  }
  for (const { stage, finished = false, text = "" } of snapshot.stages || []) {
    story.stages.set(stage, { agents: [], done: finished, note: "" });
    if (text) story.texts.set(stage, text);
  }
  const drafted = [...story.stages].filter(([name, { done }]) => done && /^(edit|revise)-/.test(name)).pop();
  if (drafted) story.drafts.set(drafted[0], soFar.chapters || []);
  (soFar.reviews || []).forEach((review, index) => story.reviews.set(`review-${index + 1}`, review));
  story.outline = soFar.outline || null;
  story.failure = snapshot.failure || null;
  story.retryable = story.state === "STATE_FAILED";
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
