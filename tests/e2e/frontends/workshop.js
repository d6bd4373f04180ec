// Story Workshop: progress by a plain WebSocket, with growing delays between attempts; by polling where it does not open.

function followWorkshop(host, id, { token, retries = 5 } = {}) {
  const status = `${host}/api/v1/stories/status/${id}`;
  const socketAddress = `${host.replace("http", "ws")}/api/v1/stories/progress/${id}`;
  let attempt = 0;
  let last = null;
  return new Promise((resolve, reject) => {
    const connect = () => {
      let opened = false;
      const socket = token ? new WebSocket(socketAddress, protocols(token)) : new WebSocket(socketAddress);
      socket.onopen = () => { opened = true; attempt = 0; };
      socket.onmessage = ({ data }) => {
        last = JSON.parse(data);
        note(last);
      };
      socket.onclose = ({ code, wasClean }) => {
        note({ closed: code, wasClean, opened });
        if (code === 1000) resolve(last);
        else if (attempt++ < retries) setTimeout(connect, 100 * 2 ** attempt);
        else poll();
      };
    };
    const poll = async () => {
      try {
        const found = await call("GET", status, { token });
        note({ polled: found });
        if (["completed", "failed", "cancelled"].includes(found.status)) resolve(found);
        else setTimeout(poll, 200);
      } catch (error) {
        reject(error);
      }
    };
    connect();
  });
}

const startWorkshop = (host, wishes, options = {}) =>
  call("POST", `${host}/api/v1/stories/generate`, { ...options, json: wishes });

const workshopStatus = (host, id, options) => call("GET", `${host}/api/v1/stories/status/${id}`, options);
