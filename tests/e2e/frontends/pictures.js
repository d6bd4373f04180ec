// Pictures: the socket is opened under an id of the page's own choice, and the job is started when it stands.

function paint(host, prompt, { token, refined = false } = {}) {
  const taskId = crypto.randomUUID?.() ?? `task-${Math.random()}`;
  const address = `${host.replace("http", "ws")}/ws/image-generation/${taskId}`;
  const began = performance.now();
  const socket = token ? new WebSocket(address, protocols(token)) : new WebSocket(address);
  socket.onmessage = ({ data }) => note(JSON.parse(data));
  const closed = new Promise((resolve) => { socket.onclose = ({ code }) => resolve(code); });
  return new Promise((resolve, reject) => {
    socket.onopen = async () => {
      const milliseconds = performance.now() - began;
      const headers = { "Content-Type": "application/json" };
      if (token) headers.Authorization = `Bearer ${token}`;
      const wishes = { prompt, use_generation: true, use_refinement: refined, high_quality: false, task_id: taskId };
      const answer = await fetch(`${host}/api/media/generate`, {
        method: "POST", headers, credentials: "include", body: JSON.stringify(wishes),
      });
      const result = await answer.json();
      if (!result.success) return reject(new Error(JSON.stringify(result)));
      const size = await show(result.image_url);
      return resolve({ result, size, milliseconds, taskId, code: await closed });
    };
    socket.onerror = () => reject(new Error("the socket did not open"));
  });
}
