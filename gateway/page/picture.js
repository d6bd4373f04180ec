// Pictures of one request, as their events tell it: a plain value, and the fold that brings it up to date. Knows no page
// and no socket.

import { emptyGeneration, foldGeneration, voided } from "./generation.js";

export function emptyPicture(id) {
  return Object.assign(emptyGeneration(id), {
    previews: new Map(), // index -> { source, step }: the newest of each
    pictures: [],        // the finished ones
    dropped: "",         // what the model did not read of the prompt
  });
}

export const foldPicture = (picture, response, now) => foldGeneration(picture, response, now, takes);

const takes = {
  preview(picture, { image = "", mediaType = "image/png", step = 0, index = 0 }) {
    picture.previews.set(index, { source: `data:${mediaType};base64,${image}`, step });
  },
  stageFinished(picture, _, response) {
    if (response.encoded) picture.dropped = response.encoded.dropped || "";
    if (response.pictures) picture.pictures = response.pictures.pictures || [];
  },
  retried(picture, { fromStage }) {
    for (const name of voided(picture, fromStage)) picture.stages.delete(name);
    picture.previews.clear();
    picture.pictures = [];
  },
  succeeded(picture, _, response) { finish(picture, response.image || {}); },
  snapshot(picture, _, response) { startOver(picture, response.image || {}); },
  reset(picture, _, response) { startOver(picture, response.image || {}); },
};

function startOver(picture, soFar) {
  picture.pictures = soFar.pictures || [];
  if (picture.state === "STATE_SUCCEEDED") finish(picture, soFar);
}

function finish(picture, image) {
  picture.result = image;
  picture.pictures = image.pictures || [];
}

// How many pictures there are or will be, and how wide they are for their height.
export const countOf = (picture) => picture.pictures.length || picture.request?.count || 1;

export function shapeOf(picture) {
  const { width, height } = picture.pictures[0] || picture.request || {};
  return width && height ? width / height : 1;
}

// Whether the finished pictures themselves can be fetched.
export const isFinished = (picture) => picture.state === "STATE_SUCCEEDED" && picture.pictures.length > 0;
