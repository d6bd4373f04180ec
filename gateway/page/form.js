// The form: what is wished for, as a request.

const $ = (id) => document.getElementById(id);
const TEXTS = ["premise", "title", "genre", "tone", "audience", "instructions"];
const NUMBERS = ["words", "chapters"];

function wishes() {
  const request = {};
  for (const name of TEXTS) if ($(name).value.trim()) request[name] = $(name).value.trim();
  for (const name of NUMBERS) if ($(name).value) request[name] = Number($(name).value);
  const characters = $("characters").value.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const [name, ...rest] = line.split(":");
    return { name: name.trim(), description: rest.join(":").trim() };
  });
  if (characters.length) request.characters = characters;
  return request;
}

function drawId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Calls `start(request, file)` when a story is asked for. The same wishes sent twice are the same story.
export function wireForm(start) {
  const form = $("form"), button = form.querySelector("[type=submit]");
  let requestId = drawId();
  form.addEventListener("input", () => { requestId = drawId(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    showProblem("");
    button.disabled = true;
    try {
      await start({ ...wishes(), requestId }, $("file").files[0]);
      form.reset();
      $("template-hint").textContent = "";
      requestId = drawId();
    } catch (problem) {
      showProblem(problem.message);
      const field = (problem.violations?.[0]?.field || "").split(/[.[]/)[0] || "premise";
      if ($(field)) { if ($("more").contains($(field))) $("more").open = true; $(field).focus(); }
    } finally {
      button.disabled = false;
    }
  });
  $("premise").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

function showProblem(text) {
  $("form-problem").textContent = text;
  $("form-problem").hidden = !text;
}

export function offerTemplates(templates) {
  const select = $("template");
  for (const { name } of templates) select.append(new Option(name.replaceAll("-", " "), name));
  $("templates-field").hidden = !templates.length;
  select.onchange = () => {
    const chosen = templates.find(({ name }) => name === select.value);
    $("template-hint").textContent = chosen?.description || "";
    if (!chosen) return;
    for (const name of [...TEXTS, ...NUMBERS]) $(name).value = chosen.story[name] || "";
    $("characters").value = (chosen.story.characters || [])
      .map(({ name, description }) => description ? `${name}: ${description}` : name).join("\n");
  };
}
