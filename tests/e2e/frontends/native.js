// The native event stream by a browser's own WebSocket and EventSource.

// Watch to the end, over lost connections; says how often it connected.
function watchBySocket(host, id, { token } = {}) {
  let cursor = 0;
  let connections = 0;
  return new Promise((resolve, reject) => {
    const connect = () => {
      const names = token ? ["fabula.v1.json", ...protocols(token)] : "fabula.v1.json";
      const socket = new WebSocket(`${host.replace("http", "ws")}/v1/ws`, names);
      socket.onopen = () => {
        connections += 1;
        socket.send(JSON.stringify({ frameId: "1", subscribe: { generationId: id, afterSequence: cursor } }));
      };
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.error) reject(new Error(data));
        if (frame.event) {
          cursor = frame.event.sequence ?? cursor;
          note({ sequence: frame.event.sequence ?? 0, protocol: socket.protocol });
        }
        if (frame.ended) {
          socket.onclose = null;
          socket.close();
          resolve(connections);
        }
      };
      socket.onclose = ({ code }) => {
        if (code >= 4400 && code < 4500) reject(new Error(`closed with ${code}`));
        else setTimeout(connect, 100);
      };
    };
    connect();
  });
}

// Watch to the end, and leave coming back, and stopping, to the browser.
function watchByEventSource(host, id, { ticket } = {}) {
  const address = `${host}/v1/generations/${id}/events`;
  const events = new EventSource(ticket ? `${address}?ticket=${ticket}` : address, { withCredentials: true });
  let connections = 0;
  return new Promise((resolve) => {
    let ended = false;
    events.onopen = () => { connections += 1; };
    events.addEventListener("event", ({ data, lastEventId }) => {
      note({ sequence: JSON.parse(data).sequence ?? 0, lastEventId });
    });
    events.addEventListener("ended", () => { ended = true; });
    events.onerror = () => {
      if (events.readyState === EventSource.CLOSED) resolve({ connections, ended });
    };
  });
}

const ticketFor = async (host, id, token) =>
  (await call("POST", `${host}/v1/tickets`, { token, json: { generationId: id } })).ticket;
