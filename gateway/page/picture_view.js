// Shows pictures while they form, and when they are finished. Content is only ever set as text, or as a picture's source.

import { fetchPicture } from "./api.js";
import { ENDED } from "./generation.js";
import { countOf, emptyPicture, foldPicture, isFinished, shapeOf } from "./picture.js";
import { element, fileName, say, showWork } from "./work.js";

const $ = (id) => document.getElementById(id);
const SUFFIXES = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp" };

let fetched = new Map(); // index -> { url, suffix } of the finished pictures of the one that is open
let fetching = "";       // whose they are

function showPicture(picture, prompt) {
  const wished = picture.request?.prompt || prompt || "A picture";
  say($("title-shown"), wished);
  document.title = `${wished.slice(0, 60)} · Fabula`;
  const not = picture.request?.negativePrompt;
  say($("wish"), not ? `without ${not}` : "");
  $("wish").hidden = !not;
  showWork(picture);
  keepPreviews(picture);
  showFrames(picture, wished);
  showColophon(picture);
  if (isFinished(picture) && fetching !== picture.id) fetchAll(picture, wished);
}

// A pause ends the previews, so that a page that is reloaded then would be sent none: the tab keeps those it has seen.
function keepPreviews(picture) {
  if (picture.previews.size) {
    try {
      sessionStorage.setItem("previews", JSON.stringify([picture.id, [...picture.previews]]));
    } catch { /* no room: they come again when the picture goes on */ }
  } else if (!isFinished(picture)) {
    const [id, previews] = JSON.parse(sessionStorage.getItem("previews") || "[]");
    if (id === picture.id) picture.previews = new Map(previews);
  }
}

function showFrames(picture, wished) {
  const canvas = $("canvas"), count = countOf(picture);
  canvas.hidden = false;
  canvas.dataset.count = count;
  canvas.style.setProperty("--shape", shapeOf(picture));
  while (canvas.children.length > count) canvas.lastChild.remove();
  while (canvas.children.length < count) canvas.append(element("figure", {}, element("img", { hidden: true })));
  [...canvas.children].forEach((figure, index) => {
    const image = figure.firstChild;
    const source = fetched.get(index)?.url || picture.previews.get(index)?.source;
    if (source && image.getAttribute("src") !== source) image.src = source;
    image.hidden = !source;
    image.alt = fetched.has(index) ? wished : source ? `Preview of: ${wished}` : "";
    figure.className = fetched.has(index) ? "finished" : ENDED.has(picture.state) ? "left" : "forming";
  });
}

async function fetchAll(picture, wished) {
  fetching = picture.id;
  for (let index = 0; index < picture.pictures.length; index++) {
    const blob = await fetchPicture(picture.id, index).catch(() => null);
    if (fetching !== picture.id) return; // another one was opened
    if (blob) fetched.set(index, { url: URL.createObjectURL(blob), suffix: SUFFIXES[blob.type] || "bin" });
    showFrames(picture, wished);
  }
}

// Lets go of what belongs to the one that was open.
function clear() {
  for (const { url } of fetched.values()) URL.revokeObjectURL(url);
  fetched = new Map();
  fetching = "";
  $("canvas").replaceChildren();
  $("canvas").hidden = true;
}

function showColophon({ result, dropped }) {
  $("colophon").hidden = !result && !dropped;
  const unread = dropped ? `The model did not read the end of the prompt: “${dropped.trim()}”. ` : "";
  if (!result) return say($("colophon"), unread);
  const { width = 0, height = 0 } = result.pictures?.[0] || {};
  const by = result.refiner ? `${result.model} and ${result.refiner}` : result.model || "a painter without a name";
  const steps = (result.baseSteps || 0) + (result.refinerSteps || 0);
  const painter = result.model?.startsWith("painter/") ? `the bundled painter (${by}, a small model of its own)` : by;
  say($("colophon"), `${unread}${width} × ${height}, painted by ${painter} in ${steps} steps, seed ${result.seed ?? 0}.`);
}

const deeds = {
  download(picture) {
    const name = fileName(picture.request?.prompt || "", "picture");
    for (const [index, { url, suffix }] of fetched) {
      const number = fetched.size > 1 ? `-${index + 1}` : "";
      element("a", { href: url, download: `${name}${number}.${suffix}` }).click();
    }
  },
};

export const PICTURE = {
  noun: "picture", empty: emptyPicture, fold: foldPicture, show: showPicture, clear, deeds,
  results: (picture) => isFinished(picture) ? ["download"] : [],
  wish: (request) => request.prompt || "",
};
