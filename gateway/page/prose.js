// Shows text in paragraphs and chapters, as it grows: what stands there already is left alone. Only ever set as text.

import { element, say } from "./work.js";

export function showParagraphs(target, text) {
  const paragraphs = text.split(/\n\s*\n/).map((each) => each.trim()).filter(Boolean);
  while (target.children.length > paragraphs.length) target.lastChild.remove();
  paragraphs.forEach((paragraph, index) => {
    if (!target.children[index]) target.append(element("p"));
    say(target.children[index], paragraph);
  });
}

// `several`: whether they have headings; `growing`: whether the last one is being written.
export function showChapters(target, chapters, several, growing) {
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
