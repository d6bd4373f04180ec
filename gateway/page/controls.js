// The buttons under a generation: those that its state allows.

import { buttonsFor, element } from "./work.js";

const $ = (id) => document.getElementById(id);
const WORDS = {
  retry: "Try again", resume: "Go on", pause: "Pause", cancel: "Cancel",
  copy: "Copy Markdown", download: "Download", delete: "Delete",
  keep: "Keep", edit: "Edit", cast: "Cast in a story", discard: "Discard",
};
const PRIMARY = new Set(["retry", "resume", "keep"]);

// `press(name, button)` is called for each that is pressed.
export function showButtons(open, kind, press) {
  const names = kind.buttons ? kind.buttons(open) : buttonsFor(open, kind.results(open));
  if ($("actions").dataset.names !== names.join()) replace(names, press);
  const pause = $("actions").querySelector('[data-name="pause"]');
  if (pause) pause.disabled = Boolean(open.pending);
}

function replace(names, press) {
  $("actions").dataset.names = names.join();
  const focused = document.activeElement?.dataset?.name;
  $("actions").replaceChildren(...names.map((name) => {
    const button = element("button", { type: "button", text: WORDS[name], onclick: () => press(name, button) });
    button.dataset.name = name;
    if (PRIMARY.has(name)) button.className = "primary";
    return button;
  }));
  if (focused) $("actions").querySelector(`[data-name="${focused}"]`)?.focus();
}

export function clearButtons() {
  delete $("actions").dataset.names;
  $("actions").replaceChildren();
}
