// The form for characters: a description, a picture, or both, as a request.

import { Problem } from "./api.js";
import { isOffered } from "./offers.js";

const $ = (id) => document.getElementById(id);
const MOST_BYTES = 10 * 1024 * 1024;

let trouble = ""; // with the picture that is chosen

export function characterWishes() {
  const file = $("character-picture").files[0];
  if (trouble) throw refusal("picture", "Choose another picture, or none.");
  const request = {};
  for (const name of ["description", "style", "language"]) {
    const text = $(`character-${name}`).value.trim();
    if (text) request[name] = text;
  }
  if (!file && !request.description) throw refusal("description", "Say in a few words who it is, or give a picture.");
  if ($("character-seed").value) request.seed = Number($("character-seed").value);
  if (!isOffered("image") || !$("paint-avatar").checked) request.generateAvatar = false;
  return request;
}

const refusal = (field, message) => new Problem({ code: "INVALID_REQUEST", message, violations: [{ field }] });

// Shows the picture that was chosen, or what is wrong with it.
function choose() {
  const [file] = $("character-picture").files, image = $("character-picture-shown");
  if (image.src) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  image.hidden = true;
  say("");
  if (!file) return;
  if (file.size > MOST_BYTES) {
    const size = (file.size / 1024 / 1024).toFixed(1);
    return say(`This picture has ${size} MiB; it may have 10 MiB at most. Choose a smaller one.`);
  }
  image.onload = () => { image.hidden = false; };
  image.onerror = () => say("This file cannot be read as a picture. Choose a PNG, JPEG, WebP or GIF file.");
  image.src = URL.createObjectURL(file);
}

function say(text) {
  trouble = text;
  $("character-picture-problem").textContent = text;
  $("character-picture-problem").hidden = !text;
}

$("character-picture").addEventListener("change", choose);
$("character-form").addEventListener("reset", () => setTimeout(choose)); // the fields are empty after the event
