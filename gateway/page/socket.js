// One WebSocket to the gateway, kept open over losses, watching one generation at a time from where it left off.

const FIRST_WAIT = 300, LONGEST_WAIT = 15_000, STABLE_AFTER = 5_000, SILENCE = 60_000;

export class Watcher {
  // `on` has: response(response, reset), ended(), problem(error), connection(state, waitMilliseconds), unauthenticated()
  constructor(token, on) {
    this.token = token;
    this.on = on;
    this.watched = null; // { id, cursor, over }
    this.tries = 0;
  }

  // Watches a generation after `cursor`; with 0 from a snapshot.
  watch(id, cursor = 0) {
    if (this.watched && this.watched.id !== id) this.#send({ unsubscribe: { generationId: this.watched.id } });
    this.watched = { id, cursor, over: false };
    if (this.socket?.readyState !== WebSocket.OPEN) return this.#open();
    this.on.connection("open");
    this.#subscribe();
  }

  // Stops watching, and lets the socket go.
  stop() {
    this.watched = null;
    clearTimeout(this.timer);
    this.#drop();
    this.on.connection("idle");
  }

  #open() {
    clearTimeout(this.timer);
    this.#drop();
    const protocols = ["fabula.v1.json"];
    if (this.token()) protocols.push(`bearer.${this.token()}`);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = this.socket = new WebSocket(`${scheme}://${location.host}/v1/ws`, protocols);
    this.on.connection("connecting");
    socket.onopen = () => {
      this.openedAt = performance.now();
      this.on.connection("open");
      this.#subscribe();
      this.#listenForSilence();
    };
    socket.onmessage = ({ data }) => { this.#listenForSilence(); this.#take(JSON.parse(data)); };
    socket.onclose = ({ code }) => { if (socket === this.socket) this.#lost(code); };
  }

  #drop() {
    const socket = this.socket;
    this.socket = null;
    clearTimeout(this.silence);
    socket?.close();
  }

  #lost(code) {
    this.socket = null;
    clearTimeout(this.silence);
    if (!this.watched || this.watched.over) return this.on.connection("idle");
    if (code === 4401) return this.on.unauthenticated();
    if (code >= 4400 && code < 4500 && code !== 4429) return this.on.connection("refused");
    if (performance.now() - (this.openedAt ?? Infinity) > STABLE_AFTER) this.tries = 0;
    this.openedAt = undefined;
    this.#later(() => this.#open());
  }

  // Waits longer each time, and never as long as everybody else.
  #later(then) {
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.tries++);
    const wait = longest / 2 + Math.random() * longest / 2;
    this.on.connection("waiting", wait);
    clearTimeout(this.timer);
    this.timer = setTimeout(then, wait);
  }

  // A socket can be dead without a word; the gateway says something every twenty seconds or so.
  #listenForSilence() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.socket?.close(), SILENCE);
  }

  #subscribe() {
    if (!this.watched) return;
    const { id, cursor } = this.watched;
    this.#send({ subscribe: { generationId: id, afterSequence: cursor, snapshot: !cursor } });
  }

  #send(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  #take(frame) {
    const [kind, content] = Object.entries(frame).find(([name]) => name !== "frameId") ?? [];
    if (content?.generationId && content.generationId !== this.watched?.id) return;
    if (kind === "event" || kind === "reset") {
      if (content.sequence) this.watched.cursor = content.sequence;
      this.tries = 0;
      this.on.response(content.response);
    } else if (kind === "ended") {
      this.watched.over = true;
      this.on.connection("idle");
      this.on.ended();
    } else if (kind === "error") {
      if (content.retryable) this.#later(() => this.#subscribe());
      else this.on.problem(content);
    }
  }
}
