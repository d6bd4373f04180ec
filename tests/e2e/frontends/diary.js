// What a page has seen, for the test to look at; shown as well, for people.
window.seen = [];

function note(what) {
  seen.push(what);
  const line = document.createElement("pre");
  line.textContent = JSON.stringify(what).slice(0, 160);
  document.body.append(line);
}

// Show a picture; its size once it is there.
function show(address) {
  const image = document.createElement("img");
  document.body.append(image);
  return new Promise((resolve, reject) => {
    image.onload = () => resolve([image.naturalWidth, image.naturalHeight]);
    image.onerror = () => reject(new Error(`the picture ${address} is not shown`));
    image.src = address;
  });
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// A single call. Who is signed in by a cookie has no token to show.
async function call(method, address, { token, json, form } = {}) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (json) headers["Content-Type"] = "application/json";
  const answer = await fetch(address, {
    method, headers, credentials: "include", body: json ? JSON.stringify(json) : form,
  });
  if (!answer.ok) throw new Error(`${method} ${address}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}

const protocols = (token) => (token ? [`bearer.${token}`] : []);
