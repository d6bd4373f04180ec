// Shows a story. Content is only ever set as text.

import { showCast } from "./cast_shown.js";
import { showChapters, showParagraphs } from "./prose.js";
import { chaptersOf, emptyStory, foldStory, markdownOf, revisionOf, titleOf } from "./story.js";
import { element, fileName, say, showWork } from "./work.js";

const $ = (id) => document.getElementById(id);

function showStory(story, premise) {
  const title = titleOf(story) || "Untitled, so far";
  say($("title-shown"), title);
  document.title = `${title} · Fabula`;
  const wished = story.request?.premise || premise;
  say($("wish"), wished);
  $("wish").hidden = !wished;
  showCast(story);
  showWork(story);
  const chapters = chaptersOf(story), planned = story.outline?.chapters?.length || 0;
  showChapters($("text"), chapters, Math.max(planned, chapters.length) > 1, story.state === "STATE_RUNNING");
  showRevision(story);
  showOutline(story.outline);
  showReviews([...story.reviews.values()]);
  showColophon(story.result);
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

const results = (story) => chaptersOf(story).length ? ["copy", "download"] : [];

const deeds = {
  async copy(story, button) {
    await navigator.clipboard.writeText(markdownOf(story));
    const word = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = word; }, 2000);
  },
  async download(story) {
    const url = URL.createObjectURL(new Blob([markdownOf(story)], { type: "text/markdown" }));
    element("a", { href: url, download: `${fileName(titleOf(story), "story")}.md` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  },
};

export const STORY = {
  noun: "story", empty: emptyStory, fold: foldStory, show: showStory, clear() {}, results, deeds,
  wish: (request) => request.premise || request.source?.name || "",
};
