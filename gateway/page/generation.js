// What all generations have in common, as their events tell it: a plain value, and the fold that brings it up to date.
// Knows no page and no socket.

export const ENDED = new Set(["STATE_SUCCEEDED", "STATE_FAILED", "STATE_CANCELLED"]);

export function emptyGeneration(id) {
  return {
    id, sequence: 0, state: "", pending: "", run: 1, progress: {}, heardAt: 0,
    request: null, result: null, failure: null, retryable: false,
    stages: new Map(), // name -> { agents, done, note }
  };
}

// Takes in one WatchProgressResponse. Fields that have their default value are absent in JSON. `more` has what a kind
// does at an event beside what all do, by the name of the event's body.
export function foldGeneration(generation, response, now, more) {
  const event = response.event;
  if (event.sequence) generation.sequence = event.sequence;
  Object.assign(generation, {
    state: event.state, pending: event.pendingRequest || "", run: event.run || 1,
    progress: event.progress || {}, heardAt: now,
  });
  if (response.request) generation.request = response.request;
  for (const takes of [common, more]) {
    for (const [body, take] of Object.entries(takes)) if (event[body]) take(generation, event[body], response);
  }
}

const common = {
  stageStarted(generation, { stage, agents = [] }) {
    generation.stages.set(stage, { agents, done: false, note: "" });
  },
  stageRestarted(generation, { stage, reason }) {
    const agents = generation.stages.get(stage)?.agents || [];
    generation.stages.set(stage, { agents, done: false, note: reason || "begun again" });
  },
  stageFinished(generation, { stage }) {
    const known = generation.stages.get(stage) || { agents: [], note: "" };
    generation.stages.set(stage, { ...known, done: true });
  },
  retried(generation) { generation.failure = null; },
  failed(generation, { failure, retryable }) {
    generation.failure = failure || {};
    generation.retryable = Boolean(retryable);
  },
  snapshot(generation, snapshot) { startOver(generation, snapshot); },
  reset(generation, { snapshot = {} }) { startOver(generation, snapshot); },
};

function startOver(generation, snapshot) {
  generation.stages = new Map((snapshot.stages || []).map(({ stage, finished = false }) =>
    [stage, { agents: [], done: finished, note: "" }]));
  generation.result = null;
  generation.failure = snapshot.failure || null;
  generation.retryable = generation.state === "STATE_FAILED";
}

// The stages that a retry from `fromStage` voids, of those there are.
export function voided(generation, fromStage) {
  const names = [...generation.stages.keys()];
  const kept = names.includes(fromStage) ? names.slice(0, names.indexOf(fromStage)) : names;
  return names.filter((name) => !kept.includes(name) || !generation.stages.get(name).done);
}
