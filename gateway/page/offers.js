// Which generators there are behind this gateway: the page offers only these.

import * as api from "./api.js";
import { offerTemplates } from "./form.js";
import { offerModel } from "./picture_form.js";

const $ = (id) => document.getElementById(id);
const LOOK_AGAIN = 3000; // milliseconds

const offered = new Set(["story"]); // until it is known better
const missing = new Set();

export const isOffered = (kind) => offered.has(kind);
export const isMissing = (kind) => missing.has(kind);

// Looks for all of them; `changed` is called whenever something is found, or found missing.
export function lookForOffers(changed) {
  lookFor("story", changed, async () => {
    const { templates } = await api.listTemplates();
    if ($("template").options.length === 1) offerTemplates(templates);
  });
  lookFor("character", changed, () => api.listLibrary({ pageSize: 1 }));
  lookForPainter(changed);
}

// Asks a service something; that it does not answer says only that it is away. Returns whether it did.
async function lookFor(kind, changed, ask) {
  try {
    await ask();
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    if (problem.code === "UNAUTHENTICATED") return true; // all is looked for again with a token
    if (problem.code === "NOT_FOUND") {
      offered.delete(kind);
      missing.add(kind);
      changed();
      return true;
    }
    if (problem.code === "UNREACHABLE") {
      setTimeout(() => lookFor(kind, changed, ask), LOOK_AGAIN);
      return false;
    }
    put(kind, changed);
    return false;
  }
  put(kind, changed);
  return true;
}

function put(kind, changed) {
  if (offered.has(kind)) return;
  offered.add(kind);
  changed();
}

// Looks again while the painter has no model yet.
async function lookForPainter(changed) {
  const ready = await lookFor("image", changed, async () => offerModel((await api.getModel()).model));
  $("painter-hint").hidden = ready;
  if (!ready) setTimeout(() => lookForPainter(changed), LOOK_AGAIN);
}
