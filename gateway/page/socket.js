// One WebSocket to the gateway, kept open over losses, watching generations, each from where it left off.

const FIRST_WAIT = 300, LONGEST_WAIT = 15_000, STABLE_AFTER = 5_000, SILENCE = 60_000;

export class Watcher {
  // `on` has: problem(error) of no generation, connection(state, waitMilliseconds), unauthenticated()
  constructor(token, on) {
    this.token = token;
    this.on = on;
    this.watched = new Map(); // id -> { id, on, cursor, snapshot, waitForStart, over, tries }
    this.tries = 0;
  }

  // Watches a generation after `cursor`; with 0 from a snapshot, or from its first event. `on` has: response(response),
  // ended(), problem(error), and away() where it is no trouble of the connection that its service does not answer.
  watch(id, on, { cursor = 0, snapshot = true, waitForStart = false } = {}) {
    clearTimeout(this.watched.get(id)?.timer);
    const watched = { id, on, cursor, snapshot, waitForStart, over: false, tries: 0 };
    this.watched.set(id, watched);
    if (this.socket?.readyState === WebSocket.CONNECTING) return;
    if (this.socket?.readyState !== WebSocket.OPEN) return this.#open();
    this.on.connection("open");
    this.#subscribe(watched);
  }

  // Watches this one no more.
  leave(id) {
    if (!this.watched.has(id)) return;
    clearTimeout(this.watched.get(id).timer);
    this.watched.delete(id);
    this.#send({ unsubscribe: { generationId: id } });
    this.#idle();
  }

  // Stops watching, and lets the socket go.
  stop() {
    for (const { timer } of this.watched.values()) clearTimeout(timer);
    this.watched.clear();
    clearTimeout(this.timer);
    this.#drop();
    this.on.connection("idle");
  }

  get #live() { return [...this.watched.values()].filter(({ over }) => !over); }

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
      for (const watched of this.#live) this.#subscribe(watched);
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
    if (this.#idle()) return;
    if (code === 4401) return this.on.unauthenticated();
    if (code >= 4400 && code < 4500 && code !== 4429) return this.on.connection("refused");
    if (performance.now() - (this.openedAt ?? Infinity) > STABLE_AFTER) this.tries = 0;
    this.openedAt = undefined;
    const wait = waitBefore(this.tries++);
    this.on.connection("waiting", wait);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#open(), wait);
  }

  // Says so if nothing is watched any more.
  #idle() {
    if (this.#live.length) return false;
    this.on.connection("idle");
    return true;
  }

  // A socket can be dead without a word; the gateway says something every twenty seconds or so.
  #listenForSilence() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.socket?.close(), SILENCE);
  }

  #subscribe({ id, cursor, snapshot, waitForStart }) {
    this.#send({ subscribe: { generationId: id, afterSequence: cursor, snapshot: snapshot && !cursor, waitForStart } });
  }

  #send(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  #take(frame) {
    const [kind, content] = Object.entries(frame).find(([name]) => name !== "frameId") ?? [];
    if (kind === "error" && !content.generationId) return this.on.problem(content);
    const watched = this.watched.get(content?.generationId);
    if (!watched) return;
    if (kind === "event" || kind === "reset") {
      if (content.sequence) watched.cursor = content.sequence;
      this.tries = watched.tries = 0;
      watched.on.response(content.response);
    } else if (kind === "ended") {
      watched.over = true;
      this.#idle();
      watched.on.ended();
    } else if (kind === "error") {
      if (content.retryable) return this.#again(watched);
      watched.over = true;
      this.#idle();
      watched.on.problem(content);
    }
  }

  // Subscribes again after a while: the service behind the gateway does not answer now.
  #again(watched) {
    const wait = waitBefore(watched.tries++);
    if (watched.on.away) watched.on.away();
    else this.on.connection("waiting", wait);
    clearTimeout(watched.timer);
    watched.timer = setTimeout(() => {
      if (this.socket?.readyState !== WebSocket.OPEN) return; // all are subscribed to again when it is
      if (!watched.on.away) this.on.connection("open");
      this.#subscribe(watched);
    }, wait);
  }
}

// Longer each time, and never as long as everybody else. In milliseconds.
function waitBefore(tries) {
  const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** tries);
  return longest / 2 + Math.random() * longest / 2;
}
