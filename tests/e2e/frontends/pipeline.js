// The content pipeline: the answer to a POST is a stream of events, read with `fetch`; taken up again when it was lost.

// Read the stream, from behind `lastEventId`; with `stopAfter` hang up after so many events. Tells how it ended.
async function runPipeline(host, body, { token, lastEventId, stopAfter } = {}) {
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (lastEventId) headers["Last-Event-ID"] = lastEventId;
  const hangUp = new AbortController();
  const answer = await fetch(`${host}/run/stream`, {
    method: "POST", headers, body: JSON.stringify(body), credentials: "include", signal: hangUp.signal,
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  if (answer.status === 204) return "nothing more";
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  let count = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "ended";
      buffer += value;
      const blocks = buffer.split("\n\n");
      buffer = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(
          block.split("\n").filter((line) => line && !line.startsWith(":")).map((line) => line.split(/: ?(.*)/s, 2)),
        );
        if (!fields.event) continue;
        note({ id: fields.id, event: fields.event, data: JSON.parse(fields.data) });
        count += 1;
        if (count === stopAfter) hangUp.abort();
        if (hangUp.signal.aborted) return "hung up";
      }
    }
  } catch (error) {
    if (hangUp.signal.aborted) return "hung up";
    return "lost";
  }
}

const runAndWait = (host, body, { token } = {}) => call("POST", `${host}/run`, { token, json: body });
