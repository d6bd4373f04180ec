// A character's avatar: followed while the image service paints it, and shown as it forms. Content is only ever set as
// text, or as a picture's source.

import { fetchPicture } from "./api.js";
import { initialsOf, nameOf } from "./character.js";
import { ENDED } from "./generation.js";
import { emptyPicture, foldPicture, isFinished } from "./picture.js";
import { say } from "./work.js";

const $ = (id) => document.getElementById(id);
const WATCH_AGAIN = 10_000; // milliseconds
const PENDING = "AVATAR_STATE_PENDING", READY = "AVATAR_STATE_READY", FAILED = "AVATAR_STATE_FAILED";

export const isPending = (avatar) => avatar?.state === PENDING;
export const isFailed = (avatar) => avatar?.state === FAILED;

export class Avatar {
  // `on` has: draw(), and ended() when its painting has come to an end, or is not there any more
  constructor(watcher, on) {
    this.watcher = watcher;
    this.on = on;
    this.painting = null; // the picture that is followed
    this.address = "";    // of the finished one that is shown
    this.shownId = "";    // the generation that it is of
  }

  // Watches the painting that is linked in the character, from before it has begun; shows the picture that is ready.
  follow(avatar) {
    if (isPending(avatar) && avatar.generationId !== this.painting?.id) this.#watch(avatar.generationId);
    if (avatar?.state === READY || isFailed(avatar)) this.#leave();
    if (avatar?.readyGenerationId && !isFinished(this.painting ?? {})) this.#fetch(avatar.readyGenerationId);
  }

  // Lets go of all that it holds.
  clear() {
    this.#leave();
    if (this.address) URL.revokeObjectURL(this.address);
    this.shownId = this.address = "";
  }

  #watch(id) {
    this.#leave();
    const painting = this.painting = emptyPicture(id);
    this.watcher.watch(id, {
      response: (response) => {
        foldPicture(painting, response, performance.now());
        painting.away = false;
        if (isFinished(painting)) this.#fetch(id);
        this.on.draw();
      },
      ended: () => this.on.ended(),
      problem: () => {
        painting.away = true;
        setTimeout(() => { if (this.painting === painting) this.#watch(id); }, WATCH_AGAIN);
        this.on.draw();
      },
      away: () => { painting.away = true; this.on.draw(); },
    }, { waitForStart: true });
  }

  #leave() {
    if (this.painting) this.watcher.leave(this.painting.id);
    this.painting = null;
  }

  async #fetch(id) {
    if (this.shownId === id) return;
    this.shownId = id;
    const blob = await fetchPicture(id, 0).catch(() => null);
    if (this.shownId !== id) return;
    if (!blob) return void (this.shownId = ""); // asked for again when there is news
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(blob);
    this.on.draw();
  }

  show({ details, avatar }, wanted) {
    const forming = isPending(avatar) && this.shownId !== avatar.generationId;
    const preview = forming && this.painting?.previews.get(0)?.source;
    const source = preview || this.address, image = $("avatar-image");
    if (source && image.getAttribute("src") !== source) image.src = source;
    image.hidden = !source;
    image.alt = preview ? `Preview of the avatar of ${nameOf(details)}` : source ? `Avatar of ${nameOf(details)}` : "";
    say($("avatar-initials"), source ? "" : initialsOf(details));
    $("avatar").className = `avatar ${forming || wanted ? "forming" : isFailed(avatar) ? "failed" : "finished"}`;
    say($("avatar-state"), this.#tell(avatar, wanted));
    const fraction = forming ? this.painting?.progress.fraction || 0 : 0;
    $("avatar-bar").hidden = !fraction;
    $("avatar-bar").value = fraction;
  }

  // What there is to be said of it. `wanted`: it is going to be painted, when the character is there.
  #tell(avatar, wanted) {
    if (isFailed(avatar)) return `The avatar could not be painted: ${avatar.failure || "nobody said why"}`;
    if (!isPending(avatar)) return wanted ? "Its avatar is painted when its history is told." : "";
    const { state, away, progress = {} } = this.painting ?? {};
    if (this.shownId === avatar.generationId) return "";
    if (away || !state) return "The avatar waits for the image service.";
    if (state === "STATE_QUEUED") {
      return progress.queuePosition ? `The avatar waits, ${progress.queuePosition} before it.` : "The avatar waits for a painter.";
    }
    if (state === "STATE_PAUSED") return "The painting of the avatar is paused.";
    if (ENDED.has(state)) return "The painting of the avatar has ended without a picture.";
    const { step = 0, steps } = progress;
    return steps ? `Painting, step ${step} of ${steps}` : "Being painted";
  }
}
