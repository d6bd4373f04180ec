// Small portraits of characters: the picture where there is one, else initials.

import { fetchPicture, pictureAddress } from "./api.js";
import { initialsOf } from "./character.js";
import { element } from "./work.js";

export function portraitOf({ details, avatar }) {
  const frame = element("span", { className: "portrait" }, element("span", { text: initialsOf(details) }));
  frame.setAttribute("aria-hidden", "true"); // the name stands beside it
  if (avatar?.readyGenerationId) showIn(frame, avatar.readyGenerationId);
  return frame;
}

// A picture that is not to be had leaves the initials.
async function showIn(frame, generationId) {
  const image = element("img", { alt: "", loading: "lazy", onerror: () => image.remove() });
  const address = pictureAddress(generationId);
  if (address) {
    image.src = address;
  } else {
    const blob = await fetchPicture(generationId, 0).catch(() => null);
    if (!blob) return;
    image.src = URL.createObjectURL(blob);
    image.onload = () => URL.revokeObjectURL(image.src);
  }
  frame.append(image);
}
