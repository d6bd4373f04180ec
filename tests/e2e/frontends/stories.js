// Stories over Socket.IO: a file is uploaded, its progress comes by itself, and its page is read in the end.

const STORY_EVENTS = ["start", "progress", "complete", "error"].map((name) => `story:processing:${name}`);

// Connect; what comes is noted. With `transport` the connection keeps to it.
function connectStories(host, { token, transport } = {}) {
  const options = { auth: { token }, withCredentials: true, forceNew: true, reconnectionDelay: 100 };
  const socket = io(`${host}/stories`, transport ? { ...options, transports: [transport] } : options);
  socket.io.on("open", () => {
    note({ connected: socket.io.engine.transport.name });
    socket.io.engine.once("upgrade", (to) => note({ upgraded: to.name }));
  });
  socket.on("disconnect", (reason) => note({ disconnected: reason }));
  socket.on("connect_error", (error) => note({ refused: error.message, data: error.data ?? null }));
  for (const event of STORY_EVENTS) socket.on(event, (content) => note({ event, content }));
  window.socket = socket;
  return new Promise((resolve) => {
    socket.once("connect", () => resolve("connected"));
    socket.once("connect_error", () => resolve("refused"));
  });
}

function uploadStory(host, text, { token } = {}) {
  const form = new FormData();
  form.append("file", new File([text], "notes.txt", { type: "text/plain" }));
  form.append("title", "The lamp");
  form.append("customPrompt", "Keep it short.");
  return call("POST", `${host}/api/v1/stories`, { token, form });
}

const readStory = (host, id, options) => call("GET", `${host}/api/v1/stories/${id}`, options);
