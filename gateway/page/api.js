// The gateway's REST side.

export class Problem extends Error {
  constructor({ code, message, violations = [] }) {
    super(message);
    this.code = code;
    this.violations = violations;
  }
}

export const token = () => sessionStorage.getItem("token") || "";
export const keepToken = (value) => sessionStorage.setItem("token", value.trim());

async function call(method, path, body, more = {}) {
  const headers = { ...(token() ? { Authorization: `Bearer ${token()}` } : {}), ...more };
  if (body && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, { method, headers, body });
  } catch {
    throw new Problem({ code: "UNREACHABLE", message: "Fabula does not answer. Is it running?" });
  }
  const content = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Problem(content?.error ?? { code: "INTERNAL", message: `HTTP ${response.status}` });
  return content;
}

export const list = (what) => (pageToken = "") =>
  call("GET", `/v1/${what}?pageSize=20&pageToken=${encodeURIComponent(pageToken)}`);

export const listTemplates = () => call("GET", "/v1/stories/templates?pageSize=100");
export const getModel = () => call("GET", "/v1/images/model");
export const getGeneration = (id) => call("GET", `/v1/generations/${encodeURIComponent(id)}`);
export const command = (id, verb) => call("POST", `/v1/generations/${encodeURIComponent(id)}:${verb}`);
export const remove = (id) => call("DELETE", `/v1/generations/${encodeURIComponent(id)}`);

// The characters of the library. `saved`: "1" only the saved ones, "0" only the others, "" all.
export const listLibrary = ({ query = "", saved = "", pageToken = "", pageSize = 20 } = {}) =>
  call("GET", `/v1/characters/library?${new URLSearchParams({ pageSize, pageToken, query, ...(saved && { saved }) })}`);
const ofCharacter = (id) => `/v1/characters/${encodeURIComponent(id)}`;
export const getCharacter = (id) => call("GET", ofCharacter(id));
export const saveCharacter = (id) => call("POST", `${ofCharacter(id)}:save`);
export const discardCharacter = (id) => call("DELETE", ofCharacter(id));
export const repaint = (id, requestId) => call("POST", `${ofCharacter(id)}:regenerateAvatar`, { requestId });
export const updateCharacter = (id, etag, changes) => call("PATCH", ofCharacter(id), changes, { "If-Match": `"${etag}"` });

// Starts a story ("stories"), a character ("characters") or pictures ("images"), with a file to begin from if there is one.
export function start(what, request, file) {
  if (!file) return call("POST", `/v1/${what}`, request);
  const form = new FormData();
  form.append("request", JSON.stringify(request));
  form.append("file", file, file.name);
  return call("POST", `/v1/${what}`, form);
}

// Where an <img> may load a picture from; empty where it would need the token.
export const pictureAddress = (id) => token() ? "" : `/v1/images/${encodeURIComponent(id)}`;

// A picture as a Blob: an <img> could not send the token.
export async function fetchPicture(id, index) {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  const response = await fetch(`/v1/images/${encodeURIComponent(id)}?index=${index}`, { headers });
  if (!response.ok) throw new Problem({ code: "INTERNAL", message: `HTTP ${response.status}` });
  return response.blob();
}
