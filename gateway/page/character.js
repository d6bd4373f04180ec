// A character as the events of its generation tell it, and as the library has it: a plain value, and the fold that brings
// it up to date. Knows no page and no socket.

import { ENDED, emptyGeneration, foldGeneration, voided } from "./generation.js";

const HISTORY = "generate_history";

export function emptyCharacter(id) {
  return Object.assign(emptyGeneration(id), {
    analysis: null, // what was found in the picture
    details: null,  // who it is
    history: "",    // as far as it is told
    made: null,     // as its generation has put it into the library
    kept: null,     // as the library has it now
  });
}

export const foldCharacter = (character, response, now) => foldGeneration(character, response, now, takes);

const takes = {
  stageStarted(character, { stage }) { if (stage === HISTORY) character.history = ""; },
  stageRestarted(character, { stage }) { if (stage === HISTORY) character.history = ""; },
  textDelta(character, { stage, text }) { if (stage === HISTORY) character.history += text; },
  stageFinished(character, _, response) {
    if (response.analysis) character.analysis = response.analysis;
    if (response.details) character.details = response.details;
    if (response.history) character.history = response.history.text || "";
    if (response.character) character.made = response.character;
  },
  retried(character, { fromStage }) {
    const names = voided(character, fromStage);
    for (const name of names) character.stages.delete(name);
    if (names.includes("analyse_image")) character.analysis = null;
    if (names.includes("generate_details")) character.details = null;
    if (names.includes(HISTORY)) character.history = "";
    if (names.includes("create_character")) character.made = null;
  },
  succeeded(character, _, response) { character.made = character.result = response.character || null; },
  snapshot(character, snapshot, response) { startOver(character, snapshot, response.character || {}); },
  reset(character, { snapshot = {} }, response) { startOver(character, snapshot, response.character || {}); },
};

function startOver(character, { stages = [] }, soFar) {
  const told = stages.find(({ stage }) => stage === HISTORY);
  character.details = soFar.details || null;
  character.history = soFar.history || told?.text || "";
  character.made = stages.some(({ stage, finished }) => stage === "create_character" && finished) ? soFar : null;
  if (character.state === "STATE_SUCCEEDED") character.result = soFar;
}

// The newest that is known of it: while it is made its events are, and then the library.
export function newest(character) {
  const made = { details: character.details, history: character.history, avatar: character.made?.avatar };
  if (!ENDED.has(character.state)) return made;
  return character.kept || { ...made, maker: character.made?.maker, seed: character.made?.seed };
}

export const nameOf = ({ firstName = "", lastName = "" } = {}) => [firstName, lastName].filter(Boolean).join(" ");

// In a few words, as under a portrait: "knight, 40".
export const inShort = ({ profession, species, age } = {}) =>
  [profession, species !== "human" && species !== profession && species, age].filter(Boolean).join(", ");

export const initialsOf = ({ firstName = "", lastName = "" } = {}) =>
  [firstName, lastName].map((name) => [...name][0] || "").join("").toUpperCase() || "?";
