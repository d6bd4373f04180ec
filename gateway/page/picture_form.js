// The form for pictures: what is wished for, as a request, within what the model can do.

const $ = (id) => document.getElementById(id);
const SHAPES = { square: 1, landscape: 3 / 2, portrait: 2 / 3 };

let model = null;

export function pictureWishes() {
  const request = { prompt: $("prompt").value.trim() };
  if ($("negative").value.trim()) request.negativePrompt = $("negative").value.trim();
  for (const name of ["steps", "seed"]) if ($(`picture-${name}`).value) request[name] = Number($(`picture-${name}`).value);
  if ($("count").value !== "1") request.count = Number($("count").value);
  if ($("high-quality").checked) request.highQuality = true;
  if ($("picture-file").files.length) request.strength = Number($("strength").value);
  else if ($("shape").value !== "square" && model) Object.assign(request, sizeOf(SHAPES[$("shape").value]));
  return request;
}

// As many pixels as the model likes best, in another shape; sides as it takes them.
function sizeOf(ratio) {
  const { defaultWidth, defaultHeight, sideMultiple, minSide, maxSide } = model;
  const side = (pixels) =>
    Math.min(maxSide, Math.max(minSide, Math.round(pixels / (sideMultiple || 1)) * (sideMultiple || 1)));
  const area = defaultWidth * defaultHeight;
  return { width: side(Math.sqrt(area * ratio)), height: side(Math.sqrt(area / ratio)) };
}

// Fits the form to what the loaded model can do.
export function offerModel(loaded) {
  model = loaded;
  const most = Math.min(4, loaded.maxCount || 1);
  $("count").replaceChildren(...Array.from({ length: most }, (_, index) => new Option(index + 1, index + 1)));
  $("picture-steps").placeholder = loaded.defaultSteps;
  $("picture-steps").max = loaded.maxSteps;
  $("source-field").hidden = !loaded.takesSource;
}

$("picture-file").addEventListener("change", () => {
  $("strength-field").hidden = !$("picture-file").files.length;
});
$("picture-form").addEventListener("reset", () => { $("strength-field").hidden = true; });
