// Automated characters: asked for by a form, joined over Socket.IO at a path of its own, the avatar shown in the end.

async function makeCharacter(host, description, { token, transport } = {}) {
  const form = new FormData();
  form.append("description", description);
  const { sessionId } = await call("POST", `${host}/api/v1/characters/generate-automated`, { token, form });
  const options = { path: "/api/v1/ws", auth: { token }, withCredentials: true, forceNew: true, reconnectionDelay: 100 };
  const socket = io(host, transport ? { ...options, transports: [transport] } : options);
  window.socket = socket;
  return new Promise((resolve, reject) => {
    socket.on("connect", async () => {
      note({ connected: socket.io.engine.transport.name });
      const joined = await socket.emitWithAck("join_character_generation", { sessionId });
      note({ joined });
    });
    socket.on("connect_error", (error) => reject(error));
    socket.on("character_generation_joined", (content) => note({ in: content.sessionId === sessionId }));
    socket.on("character_generation_progress", (told) => {
      note({ step: told.step, progress: told.progress, data: told.data ?? null });
      if (told.step === "error") reject(new Error(JSON.stringify(told)));
      if (told.data?.avatarUrl) resolve(told.data.avatarUrl);
    });
  });
}

// A session of somebody else, or one that there is not.
const joinCharacter = (sessionId) => window.socket.emitWithAck("join_character_generation", { sessionId });
