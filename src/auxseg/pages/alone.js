// The network runs in this browser, by onnxruntime-web, whose parts lie in this file. It takes the
// photo's bytes as they are: resizing is in the network.
"use strict";

const about = JSON.parse($("about").textContent);
// More than the canvases of phones, and of any browser, hold: such photos are read smaller.
const MOST_PIXELS = 16_000_000, LONGEST = 16_384;
const classes = about.classes.mask.map((name, n) => ({ name, colour: about.colours[n] }));
const stage = $("stage");
const photos = []; // { name, file, button }
let session = null;
let current = null; // the photo that is shown
let target = null; // the photo that was asked for last

function say(text) { $("status").textContent = text; }
function fail(text = "") { $("error").textContent = text; }

// -- the network ----------------------------------------------------------------------------------

// Of an element that held base64 of gzip; its text is let go.
async function inflated(id) {
  const text = $(id).textContent;
  $(id).textContent = "";
  return through(bytesOf(text), new DecompressionStream("gzip"));
}

async function load() {
  for (const name of ["OffscreenCanvas", "DecompressionStream", "WebAssembly"])
    if (!(name in globalThis)) throw new Error(`it has no ${name}`);
  const factory = new Blob([await inflated("factory")], { type: "text/javascript" });
  ort.env.wasm.numThreads = 1; // more need a server that isolates the page
  ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(factory) };
  ort.env.wasm.wasmBinary = (await inflated("wasm")).buffer;
  session = await ort.InferenceSession.create(await inflated("model"));
}

// A photo's own pixels, upright, without the colour profile, which Python does not apply either.
async function pixelsOf(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)), LONGEST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.floor(scale * side)));
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillRect(0, 0, width, height); // black where a photo is transparent
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  if (data.at(-1) !== 255) throw new Error("it is too large for this browser"); // a canvas that stayed empty
  return { bitmap: canvas, width, height, smaller: scale < 1, data: new Uint8Array(data.buffer) };
}

async function predicted({ name, file }) {
  let read;
  try {
    read = await pixelsOf(file);
  } catch (error) {
    throw new Error(`${name}: this browser cannot read it as a photo (${error.message})`);
  }
  const { data, ...photo } = read, { width, height } = photo;
  const began = performance.now();
  const found = await session.run({ photo: new ort.Tensor("uint8", data, [1, height, width, 4]) });
  Object.assign(photo, { name, classes, seconds: (performance.now() - began) / 1000 });
  if (found.mask) {
    photo.mask = found.mask.data;
    photo.counts = count(photo.mask);
    photo.painted = new OffscreenCanvas(width, height);
    paint(photo, wholeOf(photo));
  }
  if (found.box) photo.box = [...found.box.data];
  if (found.probabilities) {
    const values = [...found.probabilities.data], best = values.indexOf(Math.max(...values));
    photo.label = { name: about.classes.label[best], probability: values[best] };
  }
  return photo;
}

// -- showing --------------------------------------------------------------------------------------

function draw() {
  if (!current) return;
  const { width, height, bitmap, painted, box } = current, context = stage.getContext("2d");
  if (stage.width !== width || stage.height !== height) Object.assign(stage, { width, height });
  context.globalAlpha = 1;
  context.drawImage(bitmap, 0, 0);
  context.globalAlpha = $("opacity").value / 100;
  if (painted) context.drawImage(painted, 0, 0);
  context.globalAlpha = 1;
  if (box) outline(context, box, Math.max(2, Math.max(width, height) / 400));
}

function listClasses() {
  $("classes").replaceChildren(...classes.map((one, n) => {
    const row = document.createElement("li"), label = document.createElement("label");
    const see = Object.assign(document.createElement("input"), { type: "checkbox", checked: n > 0, disabled: n === 0 });
    see.addEventListener("change", () => {
      shown.set(one.name, see.checked);
      if (current?.mask) paint(current, wholeOf(current));
      draw();
    });
    const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
    swatch.style.background = one.colour;
    label.append(see, swatch, Object.assign(document.createElement("bdi"), { textContent: one.name }));
    row.append(label, Object.assign(document.createElement("span"), { className: "share" }));
    return row;
  }));
}

function describe() {
  const { mask, counts, name, width, height, label, seconds, smaller } = current;
  const share = (n) => `${(100 * counts[n] / mask.length).toFixed(1)} %`;
  document.querySelectorAll("#classes .share").forEach((one, n) => { one.textContent = mask ? share(n) : ""; });
  const parts = mask ? classes.map((one, n) => [one.name, n]).filter(([, n]) => n > 0 && counts[n]).map(([one, n]) => `${one} ${share(n)}`) : [];
  const found = !mask ? "" : parts.join(", ") || "nothing but background";
  const said = label ? `class ${label.name} (${Math.round(100 * label.probability)} %)` : "";
  stage.setAttribute("aria-label", `${name}: ${found}`);
  $("found").textContent = said;
  const size = `${width} × ${height} pixels${smaller ? " (read smaller than it is)" : ""}`;
  say(`${name}: ${[size, `${seconds.toFixed(1)} s`, found, said].filter(Boolean).join("; ")}.`);
}

async function open(photo) {
  target = photo;
  fail();
  say(`${photo.name}: the network is at work …`);
  mark(photo);
  await new Promise((go) => setTimeout(go, 30)); // so that the line above is seen
  if (target !== photo) return;
  try {
    const found = await predicted(photo);
    if (target !== photo) return; // another one was chosen meanwhile
    current = Object.assign(found, { of: photo });
    draw();
    describe();
    $("download").disabled = !current.mask;
    $("download-overlay").disabled = false;
  } catch (error) {
    if (target !== photo) return;
    fail(error.message);
    mark(current?.of); // the photo that is still shown
    if (current) describe(); else say("Choose another photo.");
  }
}

const mark = (photo) => photos.forEach((one) => one.button.setAttribute("aria-current", one === photo));

function add(files) {
  if (!session) { waiting.push(...files); return; }
  if (!files.length) return;
  const same = (file) => (one) => one.name === file.name && one.file.size === file.size && one.file.lastModified === file.lastModified;
  const added = [...files].map((file) => {
    const known = photos.find(same(file));
    if (known) return known;
    const button = Object.assign(document.createElement("button"), { textContent: file.name });
    const photo = { name: file.name, file, button }, row = document.createElement("li");
    button.addEventListener("click", () => open(photo));
    row.append(button);
    $("photos").append(row);
    photos.push(photo);
    return photo;
  });
  $("gallery").hidden = photos.length < 2;
  open(added[0]);
}

// -- wiring ---------------------------------------------------------------------------------------

$("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
$("opacity").addEventListener("input", draw);
$("download").addEventListener("click", async () => hand(`${stem(current)}_mask.png`, await fileOf(current)));
$("download-overlay").addEventListener("click", async () => hand(`${stem(current)}_overlay.png`, await overlayOf(current, $("opacity").value / 100)));
addEventListener("dragover", () => document.body.classList.add("dropping"));
for (const name of ["dragleave", "drop"]) addEventListener(name, () => document.body.classList.remove("dropping"));
addEventListener("drop", () => { if (session) add(waiting.splice(0)); }); // put there at the top of the page

$("details").append(...about.details.flatMap(([term, text]) => [
  Object.assign(document.createElement("dt"), { textContent: term }),
  Object.assign(document.createElement("dd"), { textContent: text }),
]));
listClasses();
load().then(
  () => { $("files").disabled = false; say("Choose a photo to begin."); add(waiting.splice(0)); },
  (error) => { fail(`The network cannot run in this browser (${error.message}).`); say(""); },
);
