// One photo at a time: its mask as one byte a pixel, and tools that change these bytes. Canvases
// only show them: browsers may alter what is read back from a picture.
"use strict";

const HISTORY = 50;

// -- what is known ------------------------------------------------------------------------------

let about = null; // GET /api/about
let token = "";
const uploaded = []; // files that were chosen: { key, name, file }
let listed = []; // the folder's photos
let current = null; // the photo that is shown: see answered()
let view = { scale: 1, x: 0, y: 0, whole: true }; // canvas = image × scale + (x, y)
let active = 1; // the class that tools draw
let cross = null; // where the keyboard is, in the image's pixels
let polygon = []; // corners so far
let undone = [], done = [];
let asking = null; // of the photo that is being opened: aborts its requests
let target = null; // the key of the photo that was asked for last
let skipped = new Set(); // keys of photos that "Next photo" went past

const selected = () => Number($("network").value) || 0;
const classes = () => current?.classes ?? about.networks[selected()].classes;

// -- asking the server --------------------------------------------------------------------------

async function ask(path, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  for (let tries = 0; ; tries++) {
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("the server does not answer");
    }
    if (response.status === 503 && tries < 5) {
      const seconds = Number(response.headers.get("Retry-After")) || 1;
      say(`The server is busy; trying again in ${seconds} s.`);
      await new Promise((go) => setTimeout(go, 1000 * seconds));
      options.signal?.throwIfAborted();
      continue;
    }
    if (!response.ok) {
      const text = await response.text();
      let why = text || response.statusText;
      try { why = JSON.parse(text).error || why; } catch { /* no JSON: as it is */ }
      throw new Error(why);
    }
    return response;
  }
}

const askJson = async (path, options) => (await ask(path, options)).json();

function say(text) { $("status").textContent = text; }
function fail(error) {
  if (error?.name === "AbortError") return;
  $("error").textContent = error ? String(error.message || error) : "";
}

// What a network says of a photo, of the folder or of one's own.
function askAbout(photo, network, query, signal) {
  if (!photo.file) return askJson(`api/photos/${photo.number}/prediction?network=${network}&${query}`, { signal });
  const body = new FormData();
  body.append("image", photo.file);
  return askJson(`api/predict?network=${network}&raw=true&${query}`, { method: "POST", body, signal });
}

// -- showing --------------------------------------------------------------------------------------

function repaint(area = wholeOf(current)) {
  if (!current) return;
  if (current.mask) paint(current, area);
  if (current.other?.mask && area.right - area.left === current.width) paint(current.other, wholeOf(current));
  draw();
}

function fitCanvas(canvas) {
  const box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
  const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}

function wholePhoto() {
  if (!current) return;
  fitCanvas(stage);
  const scale = Math.min(stage.width / current.width, stage.height / current.height);
  view = { scale, x: (stage.width - scale * current.width) / 2, y: (stage.height - scale * current.height) / 2, whole: true };
  draw();
}

let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawOn(stage, current);
    if (!$("other").hidden) drawOn($("other"), current?.other);
  });
}

function drawOn(canvas, side) {
  fitCanvas(canvas);
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!current) return;
  context.setTransform(view.scale, 0, 0, view.scale, view.x, view.y);
  context.imageSmoothingEnabled = view.scale < 2;
  context.drawImage(current.bitmap, 0, 0);
  if (side?.heat) {
    context.globalAlpha = 0.7;
    context.imageSmoothingEnabled = true;
    context.drawImage(side.heat, 0, 0, current.width, current.height);
    context.imageSmoothingEnabled = view.scale < 2;
  }
  if (side?.painted) {
    context.globalAlpha = $("opacity").value / 100;
    context.drawImage(side.painted, 0, 0);
  }
  context.globalAlpha = 1;
  context.lineWidth = 2 / view.scale;
  if (side?.box) outline(context, side.box, 2 / view.scale);
  if (canvas !== stage) return;
  if (polygon.length) {
    context.strokeStyle = "#fff";
    context.beginPath();
    polygon.forEach(([x, y], n) => (n ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
    for (const [x, y] of polygon) context.strokeRect(x - 2 / view.scale, y - 2 / view.scale, 4 / view.scale, 4 / view.scale);
  }
  if (cross && document.activeElement === stage) {
    context.strokeStyle = "#ff0";
    const arm = 12 / view.scale;
    context.beginPath();
    context.moveTo(cross[0] - arm, cross[1]); context.lineTo(cross[0] + arm, cross[1]);
    context.moveTo(cross[0], cross[1] - arm); context.lineTo(cross[0], cross[1] + arm);
    context.stroke();
  }
}

const onStageOf = ([x, y]) => [view.x + x * view.scale, view.y + y * view.scale];

// Around a place of the canvas; by keyboard around the cross.
function zoom(factor, at) {
  if (!current) return;
  const keyboard = document.activeElement === stage && cross;
  const [x, y] = at || (keyboard ? onStageOf(cross) : [stage.width / 2, stage.height / 2]);
  const scale = Math.min(64, Math.max(0.01, view.scale * factor));
  view = { scale, x: x - (x - view.x) * (scale / view.scale), y: y - (y - view.y) * (scale / view.scale), whole: false };
  draw();
}

// Moves the photo so that the cross can be seen.
function follow() {
  const [x, y] = onStageOf(cross), rim = 20;
  const dx = x < rim ? rim - x : x > stage.width - rim ? stage.width - rim - x : 0;
  const dy = y < rim ? rim - y : y > stage.height - rim ? stage.height - rim - y : 0;
  if (dx || dy) view = { ...view, x: view.x + dx, y: view.y + dy, whole: false };
}

function listClasses() {
  const known = classes();
  if (active !== UNLABELLED || !about.ignores) active = Math.min(active, Math.max(0, known.length - 1));
  const rows = known.map((one, n) => {
    const row = document.createElement("li"), label = document.createElement("label");
    const pick = Object.assign(document.createElement("input"), { type: "radio", name: "class", value: n, checked: n === active });
    const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
    swatch.style.background = one.colour;
    label.append(pick, swatch, one.name);
    const see = Object.assign(document.createElement("input"), { type: "checkbox", checked: shown.get(one.name) !== false, disabled: n === 0 });
    see.setAttribute("aria-label", `show ${one.name}`);
    see.addEventListener("change", () => { shown.set(one.name, see.checked); repaint(); });
    row.append(see, label, Object.assign(document.createElement("span"), { className: "share" }));
    return row;
  });
  if (about.ignores) {
    const row = document.createElement("li"), label = document.createElement("label");
    label.append(Object.assign(document.createElement("input"), { type: "radio", name: "class", value: UNLABELLED, checked: active === UNLABELLED }), "not labelled");
    row.append(label);
    rows.push(row);
  }
  $("classes").replaceChildren(...rows);
}
$("classes").addEventListener("change", (event) => { if (event.target.name === "class") active = Number(event.target.value); });

// The shares of the classes, as text for eyes and for screen readers.
function describe() {
  const shares = current?.mask && classes().map((_, n) => current.counts[n] / current.mask.length);
  document.querySelectorAll("#classes .share").forEach((one, n) => { one.textContent = shares ? `${(100 * shares[n]).toFixed(1)} %` : ""; });
  const parts = classes().map((one, n) => [one.name, shares ? shares[n] : 0])
    .filter(([, share], n) => n > 0 && share > 0)
    .map(([name, share]) => `${name} ${(100 * share).toFixed(1)} %`);
  const text = !current?.mask ? "no mask" : parts.length ? parts.join(", ") : "nothing but background";
  stage.setAttribute("aria-label", current ? `${current.name}: ${text}` : "No photo yet");
}

// -- a photo and what the network says of it ---------------------------------------------------------

const leave = () => !current?.changed || confirm("The mask was changed and is not saved. Go on without it?");

async function open(photo) {
  if (!leave()) return false;
  asking?.abort();
  const mine = asking = new AbortController();
  target = photo.key;
  const edits = current?.edits;
  fail();
  say(`${photo.name}: asking the network …`);
  mark(photo.key);
  try {
    const opened = await answered(photo, selected(), mine.signal);
    if (mine !== asking) return false; // another one was chosen meanwhile
    if (current?.edits !== edits && !leave()) { mark(current.key); tell(); return false; }
    show(opened);
    return true;
  } catch (error) {
    if (mine === asking) { fail(error); say(""); mark(current?.key); }
    return false;
  } finally {
    if (mine === asking) asking = null;
  }
}

let widened = false; // whether the width was chosen: then it stays, else it follows the photo
function setWidth(pixels) {
  $("width").value = Math.max(1, Math.round(pixels));
  $("width-shown").textContent = $("width").value;
}

function mark(key) {
  document.querySelectorAll("#photos button").forEach((one) => one.setAttribute("aria-current", one.dataset.key === key));
}

function show(opened) {
  current = opened;
  done = []; undone = []; polygon = []; before = null; last = null;
  cross = [current.width / 2, current.height / 2];
  $("width").max = Math.max(50, Math.round(Math.max(current.width, current.height) / 5));
  if (!widened) setWidth(0.03 * Math.min(current.width, current.height));
  listClasses();
  listAttention();
  buttons();
  wholePhoto();
  repaint();
  describe();
  tell();
}

function tell() {
  if (!current) return;
  const { said, width, height, name } = current, parts = [];
  if (said.label) parts.push(`class ${said.label} (${Math.round(100 * said.probability)} %)`);
  if (said.box) parts.push("a box");
  if (said.uncertainty !== undefined) parts.push(`uncertainty ${said.uncertainty.toFixed(3)}`);
  if (current.from === "saved") parts.push("the mask in the folder");
  else if (current.mask && current.counts[0] === current.mask.length) parts.push("the network finds nothing but background");
  $("found").textContent = parts.join(", ");
  say(`${name}: ${width} × ${height} pixels.${current.note ? ` ${current.note}` : ""}`);
}

const sameNames = (known) => JSON.stringify(known.map((one) => one.name)) === JSON.stringify(about.classes);

// Everything about a photo that is shown, whole: nothing of the one before is in it.
async function answered({ key, name, file, number }, network, signal) {
  const photo = { key, name, file, number };
  const known = about.networks[network].classes;
  const ours = number !== undefined && sameNames(known);
  const picture = file
    ? createImageBitmap(file).catch(() => { throw new Error(`${name}: this browser cannot show photos of this format`); })
    : ask(`api/photos/${number}/image`, { signal }).then((one) => one.blob()).then(createImageBitmap);
  let note = "";
  const there = ours
    ? askJson(`api/photos/${number}/mask`, { signal }).catch((error) => {
      if (error.name === "AbortError") throw error;
      note = `The mask in the folder cannot be read (${error.message}); this is the prediction.`;
      return { pixels: null };
    })
    : { pixels: null };
  // What is wrong with the upload says the server better than the browser.
  const [said, bitmap, saved] = await Promise.all([askAbout(photo, network, "probabilities=true", signal), picture.catch((error) => error), there]);
  if (bitmap instanceof Error) throw bitmap;
  const { width, height } = said;
  if (bitmap.width !== width || bitmap.height !== height)
    throw new Error(`${name}: this browser turns the photo otherwise than the network saw it`);
  if (number !== undefined && !ours) note = "This network has other classes than the folder: its masks cannot be saved there.";
  const opened = {
    ...photo, network, classes: known, bitmap, width, height, said, note, box: said.box,
    mask: null, changed: false, edited: false, edits: 0, from: "prediction", editable: !photo.file ? ours : true,
  };
  const packed = saved.pixels || said.pixels;
  if (packed) {
    if (saved.pixels) opened.from = "saved";
    opened.mask = await unpacked(packed);
    if (opened.mask.length !== width * height) throw new Error(`${name}: its mask has another size`);
    opened.counts = count(opened.mask);
    opened.painted = new OffscreenCanvas(width, height);
  }
  if (said.probabilities) {
    const planes = await Promise.all(said.probabilities.map(fromDataUrl));
    opened.sure = planes.map((plane) => {
      const canvas = new OffscreenCanvas(plane.width, plane.height), context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(plane, 0, 0);
      return { width: plane.width, height: plane.height, data: context.getImageData(0, 0, plane.width, plane.height).data };
    });
  }
  if ($("beside").checked) opened.other = await otherSide(opened, signal);
  return opened;
}

// What the second network says, where both are to be seen.
async function otherSide(photo, signal) {
  if (about.networks.length < 2) return null;
  const network = 1 - photo.network, said = await askAbout(photo, network, "", signal);
  const side = { classes: about.networks[network].classes, box: said.box, mask: null };
  if (said.pixels) {
    side.mask = await unpacked(said.pixels);
    side.painted = new OffscreenCanvas(photo.width, photo.height);
  }
  return side;
}

function listAttention(names = Object.keys(current?.attention || {}), chosen = "") {
  const able = about.networks[current ? current.network : selected()].attention;
  $("attention-row").hidden = !able;
  const options = names.map((name) => new Option(name, name));
  $("attention").replaceChildren(new Option("none", ""), ...(options.length || !able ? options : [new Option("show …", "show")]));
  $("attention").value = chosen;
}

async function showAttention() {
  const photo = current, key = $("attention").value;
  if (!photo) return;
  if (key && !photo.attention) {
    const said = await askAbout(photo, photo.network, "attention=true");
    photo.attention = said.attention || {};
    if (photo !== current) return;
    listAttention(Object.keys(photo.attention), Object.keys(photo.attention)[0] || "");
  }
  const name = photo === current ? $("attention").value : "";
  photo.heat = name && photo.attention?.[name] ? await fromDataUrl(photo.attention[name]) : null;
  draw();
}

// -- the list of photos -----------------------------------------------------------------------------

function rowsOfPhotos() {
  return [
    ...uploaded.map((one) => ({ ...one, note: "" })),
    ...listed.map((one) => ({
      key: `n${one.number}`, number: one.number, name: one.name, has_mask: one.has_mask, uncertainty: one.uncertainty,
      note: one.has_mask ? "✓ mask" : one.uncertainty === null ? "…" : one.uncertainty < 0 ? "cannot be read" : `unsure ${one.uncertainty.toFixed(3)}`,
    })).sort((a, b) => a.has_mask - b.has_mask || (b.uncertainty ?? -0.5) - (a.uncertainty ?? -0.5) || a.number - b.number),
  ];
}

let listing = ""; // what is listed, so that the list is made anew only when it changes
function listPhotos() {
  const rows = rowsOfPhotos(), text = JSON.stringify(rows.map((row) => [row.key, row.name, row.note]));
  if (text !== listing) {
    listing = text;
    const focused = document.activeElement?.dataset?.key;
    $("photos").replaceChildren(...rows.map((row) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.dataset.key = row.key;
      button.append(row.name, Object.assign(document.createElement("small"), { textContent: row.note }));
      item.append(button);
      return item;
    }));
    mark(current?.key);
    if (focused) $("photos").querySelector(`[data-key="${focused}"]`)?.focus();
  }
  $("gallery").hidden = !rows.length;
  find();
  const bare = listed.filter((one) => !one.has_mask), known = bare.filter((one) => one.uncertainty !== null);
  $("progress").textContent = listed.length ? `(${listed.length - bare.length} of ${listed.length} have a mask; ${known.length} of ${bare.length} ranked)` : "";
  return rows;
}

// Hides the photos whose name lacks what is searched for.
function find() {
  const wanted = $("search").value.trim().toLowerCase();
  for (const button of $("photos").querySelectorAll("button"))
    button.parentElement.hidden = !button.firstChild.textContent.toLowerCase().includes(wanted);
}

$("photos").addEventListener("click", (event) => {
  const key = event.target.closest("button")?.dataset.key, row = rowsOfPhotos().find((one) => one.key === key);
  if (row) open(row);
});

let polling = null;
async function refresh() {
  clearTimeout(polling);
  if (about.photos === null) return;
  try { listed = await askJson("api/photos"); } catch (error) { fail(error); }
  listPhotos();
  clearTimeout(polling);
  if (listed.some((one) => !one.has_mask && one.uncertainty === null)) polling = setTimeout(refresh, 2000);
}

async function openNext() {
  if (target) skipped.add(target);
  const bare = listPhotos().filter((row) => !row.file && !row.has_mask && row.uncertainty !== -1);
  if (!bare.some((row) => !skipped.has(row.key))) skipped = new Set(target ? [target] : []);
  const next = bare.find((row) => !skipped.has(row.key));
  if (next) await open(next); else say("Every photo of the folder has a mask.");
}

function add(files) {
  const first = uploaded.length;
  for (const file of files) uploaded.push({ key: `f${uploaded.length}`, name: file.name, file });
  listPhotos();
  if (uploaded[first]) open(uploaded[first]);
}

// -- tools: all of them change bytes of the mask ------------------------------------------------------

const tool = () => document.querySelector("[name=tool]:checked").value;
const drawn = () => (tool() === "eraser" ? 0 : active);
const locked = () => !current?.mask || !current.editable;
let before = null, touched = null, last = null;

function begin() { before = current.mask.slice(); touched = null; }

function touch(left, top, right, bottom) {
  const area = { left: Math.max(0, left), top: Math.max(0, top), right: Math.min(current.width, right), bottom: Math.min(current.height, bottom) };
  if (area.right <= area.left || area.bottom <= area.top) return;
  touched = touched ? {
    left: Math.min(touched.left, area.left), top: Math.min(touched.top, area.top),
    right: Math.max(touched.right, area.right), bottom: Math.max(touched.bottom, area.bottom),
  } : area;
  repaint(area);
}

// What was there in the touched area, so that it can be put back.
function end() {
  if (before && touched) {
    const was = cut(before, touched);
    recount(was, cut(current.mask, touched));
    done.push({ area: touched, mask: was });
    if (done.length > HISTORY) done.shift();
    undone = [];
    edit();
  }
  before = null;
  buttons();
  describe();
}

// A stroke that was none, as a second finger came.
function cancel() {
  if (!before) return;
  current.mask.set(before);
  if (touched) repaint(touched);
  before = null;
}

function edit() { current.changed = current.edited = true; current.edits++; }

function recount(was, is) {
  count(was).forEach((value, n) => { current.counts[n] -= value; });
  count(is).forEach((value, n) => { current.counts[n] += value; });
}

function cut(mask, { left, top, right, bottom }) {
  const piece = new Uint8Array((right - left) * (bottom - top));
  for (let y = top; y < bottom; y++)
    piece.set(mask.subarray(y * current.width + left, y * current.width + right), (y - top) * (right - left));
  return piece;
}

function putBack(from, to) {
  if (!from.length || before) return;
  const { area, mask } = from.pop(), width = area.right - area.left, was = cut(current.mask, area);
  to.push({ area, mask: was });
  for (let y = area.top; y < area.bottom; y++)
    current.mask.set(mask.subarray((y - area.top) * width, (y - area.top + 1) * width), y * current.width + area.left);
  recount(was, mask);
  edit();
  repaint(area);
  buttons();
  describe();
}

let saving = false;
function buttons() {
  $("undo").disabled = !done.length;
  $("redo").disabled = !undone.length;
  $("tools").disabled = false;
  document.querySelectorAll("[name=tool]").forEach((one) => { one.disabled = locked() && one.value !== "move"; });
  if (locked()) document.querySelector("[name=tool][value=move]").checked = true;
  $("saving").hidden = current?.number === undefined || locked();
  $("save").disabled = saving;
  $("download").disabled = $("download-overlay").disabled = !current?.mask;
}

// All pixels whose middle is as near to the line from a to b as half the brush.
function stroke([ax, ay], [bx, by]) {
  const radius = $("width").value / 2, value = drawn(), { width, height, mask } = current;
  const left = Math.floor(Math.min(ax, bx) - radius), right = Math.ceil(Math.max(ax, bx) + radius) + 1;
  const top = Math.floor(Math.min(ay, by) - radius), bottom = Math.ceil(Math.max(ay, by) + radius) + 1;
  const [dx, dy] = [bx - ax, by - ay], length = dx * dx + dy * dy;
  // Half a pixel wide at least, so that a thin brush leaves no gaps.
  const near = Math.max(radius, 0.71) ** 2;
  for (let y = Math.max(0, top); y < Math.min(height, bottom); y++)
    for (let x = Math.max(0, left); x < Math.min(width, right); x++) {
      const [px, py] = [x + 0.5 - ax, y + 0.5 - ay];
      const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
      if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= near) mask[y * width + x] = value;
    }
  touch(left, top, right, bottom);
}

// All pixels whose middle is inside, by the even-odd rule.
function closePolygon() {
  if (polygon.length > 2 && !locked()) {
    begin();
    const { width, height, mask } = current, value = drawn();
    const xs = polygon.map(([x]) => x), ys = polygon.map(([, y]) => y);
    const top = Math.max(0, Math.floor(Math.min(...ys))), bottom = Math.min(height, Math.ceil(Math.max(...ys)) + 1);
    for (let y = top; y < bottom; y++) {
      const crossings = [];
      polygon.forEach(([ax, ay], n) => {
        const [bx, by] = polygon[(n + 1) % polygon.length];
        if ((ay <= y + 0.5) !== (by <= y + 0.5)) crossings.push(ax + ((y + 0.5 - ay) / (by - ay)) * (bx - ax));
      });
      crossings.sort((a, b) => a - b);
      for (let n = 0; n + 1 < crossings.length; n += 2) {
        const from = Math.max(0, Math.ceil(crossings[n] - 0.5)), to = Math.min(width, Math.ceil(crossings[n + 1] - 0.5));
        if (to > from) mask.fill(value, y * width + from, y * width + to);
      }
    }
    touch(Math.floor(Math.min(...xs)), top, Math.ceil(Math.max(...xs)) + 1, bottom);
    end();
  }
  polygon = [];
  draw();
}

// The pixels of one class that hang together there.
function fill([x, y]) {
  const { width, height, mask } = current, value = drawn();
  const start = Math.floor(y) * width + Math.floor(x), old = mask[start];
  if (old === value) return;
  begin();
  const stack = [start];
  let [left, top, right, bottom] = [width, height, 0, 0];
  while (stack.length) {
    const at = stack.pop(), row = at - (at % width);
    if (mask[at] !== old) continue;
    let from = at, to = at;
    while (from > row && mask[from - 1] === old) from--;
    while (to < row + width - 1 && mask[to + 1] === old) to++;
    mask.fill(value, from, to + 1);
    left = Math.min(left, from - row); right = Math.max(right, to - row + 1);
    top = Math.min(top, row / width); bottom = Math.max(bottom, row / width + 1);
    for (const next of [row - width, row + width]) {
      if (next < 0 || next >= mask.length) continue;
      for (let n = from; n <= to; n++)
        if (mask[n - row + next] === old && (n === from || mask[n - 1 - row + next] !== old)) stack.push(n - row + next);
    }
  }
  touch(left, top, right, bottom);
  end();
}

// -- pointers and keys ---------------------------------------------------------------------------------

const stage = $("stage");
const pointers = new Map();
let pinched = null, alone = false; // alone: no second finger came since the first one

function onCanvas(event) {
  const box = stage.getBoundingClientRect();
  return [(event.clientX - box.left) * (stage.width / box.width), (event.clientY - box.top) * (stage.height / box.height)];
}
const inImage = ([x, y]) => [(x - view.x) / view.scale, (y - view.y) / view.scale];
const inside = ([x, y]) => current && x >= 0 && y >= 0 && x < current.width && y < current.height;

// What happens at a point, once it is sure that it is no pinch.
function press(at) {
  if (locked()) return;
  if (tool() === "polygon") { polygon.push(at); draw(); } else if (tool() === "fill" && inside(at)) fill(at);
}

stage.addEventListener("pointerdown", (event) => {
  stage.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, onCanvas(event));
  alone = pointers.size === 1 && event.button === 0;
  if (pointers.size === 2) {
    cancel();
    pinched = [...pointers.values()];
  } else if (alone && !locked() && (tool() === "brush" || tool() === "eraser")) {
    last = inImage(onCanvas(event));
    begin();
    stroke(last, last);
  }
});
stage.addEventListener("pointermove", (event) => {
  hover(inImage(onCanvas(event)));
  if (!pointers.has(event.pointerId)) return;
  const was = pointers.get(event.pointerId), is = onCanvas(event);
  pointers.set(event.pointerId, is);
  if (pinched && pointers.size === 2) {
    const [a, b] = pinched, [c, d] = [...pointers.values()];
    const middle = ([p, q], [r, s]) => [(p + r) / 2, (q + s) / 2], far = ([p, q], [r, s]) => Math.hypot(p - r, q - s);
    const [from, to] = [middle(a, b), middle(c, d)];
    view.x += to[0] - from[0]; view.y += to[1] - from[1];
    zoom(far(c, d) / Math.max(1, far(a, b)), to);
    pinched = [c, d];
  } else if (tool() === "move" || event.buttons & 4) {
    view = { ...view, x: view.x + is[0] - was[0], y: view.y + is[1] - was[1], whole: false };
    draw();
  } else if (before) {
    const at = inImage(is);
    stroke(last, at);
    last = at;
  }
});
for (const name of ["pointerup", "pointercancel"])
  stage.addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    if (pointers.size < 2) pinched = null;
    if (before) end();
    else if (alone && name === "pointerup" && !pointers.size) press(inImage(onCanvas(event)));
    if (!pointers.size) alone = false;
  });
stage.addEventListener("dblclick", () => { if (tool() === "polygon") closePolygon(); });
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, onCanvas(event));
}, { passive: false });
stage.addEventListener("focus", draw);
stage.addEventListener("blur", draw);

function hover(at) {
  const text = $("hover");
  if (!inside(at) || !current.mask) { text.textContent = "\u00a0"; return; }
  const [x, y] = at.map(Math.floor), number = current.mask[y * current.width + x];
  const name = classes()[number]?.name;
  let line = `${x}, ${y}: ${name ?? "not labelled"}`;
  const plane = current.sure?.[number];
  if (plane && name !== undefined) {
    const row = Math.min(plane.height - 1, Math.floor((y / current.height) * plane.height));
    const column = Math.min(plane.width - 1, Math.floor((x / current.width) * plane.width));
    line += ` (network: ${Math.round((100 * plane.data[4 * (row * plane.width + column)]) / 255)} %)`;
  }
  text.textContent = line;
}

const KEYS = { m: "move", b: "brush", e: "eraser", p: "polygon", f: "fill" };
document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase(), typing = /^(SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.ctrlKey || event.metaKey) {
    if (key === "z" && current) { event.preventDefault(); event.shiftKey ? putBack(undone, done) : putBack(done, undone); }
    if (key === "s" && !$("saving").hidden) { event.preventDefault(); if (!event.repeat) save(); }
    return;
  }
  if (typing || !current) return;
  if (event.altKey && /^Digit\d$/.test(event.code)) {
    event.preventDefault();
    const number = Number(event.code.slice(5));
    if (number < classes().length) { active = number; listClasses(); describe(); say(`Class ${classes()[number].name}.`); }
  } else if (event.altKey) return;
  else if (KEYS[key]) document.querySelector(`[name=tool][value=${KEYS[key]}]`).click();
  else if (key === "[" || key === "]") {
    $("width").value = Number($("width").value) * (key === "]" ? 1.25 : 0.8) + (key === "]" ? 1 : 0);
    $("width").dispatchEvent(new Event("input"));
  } else if (key === "+" || key === "=") zoom(1.25);
  else if (key === "-") zoom(0.8);
  else if (key === "n" && !$("saving").hidden) openNext();
  else if (key === "0") wholePhoto();
  else if (key === "escape") { polygon = []; draw(); }
  else if (key === "enter" && polygon.length) { event.preventDefault(); closePolygon(); }
  else if (event.target === stage) onStage(event);
});

function onStage(event) {
  const step = (event.shiftKey ? 10 : 1) * Math.max(1, Math.round(3 / view.scale));
  const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
  if (move) {
    event.preventDefault();
    cross = [
      Math.min(current.width - 0.5, Math.max(0.5, cross[0] + move[0])),
      Math.min(current.height - 0.5, Math.max(0.5, cross[1] + move[1])),
    ];
    follow();
    hover(cross);
    draw();
  } else if (event.key === " ") {
    event.preventDefault();
    if (locked()) return;
    if (tool() === "brush" || tool() === "eraser") { begin(); stroke(cross, cross); end(); } else press(cross);
    hover(cross);
    say($("hover").textContent);
  }
}

// -- saving ------------------------------------------------------------------------------------------

async function save() {
  if (current?.number === undefined || locked() || saving) return;
  fail();
  const photo = current, edits = photo.edits, body = new FormData();
  saving = true;
  buttons();
  try {
    body.append("mask", await fileOf(photo), "mask.png");
    const answer = await askJson(`api/photos/${photo.number}/mask`, { method: "PUT", body });
    if (photo.edits === edits) photo.changed = false; // what was drawn meanwhile is not in it
    photo.from = "saved";
    say(`Saved masks/${answer.saved}` + (answer.before ? `; the one before is masks-before/${answer.before}.` : "."));
  } catch (error) { fail(error); } finally {
    saving = false;
    buttons();
  }
  refresh();
}

$("download").addEventListener("click", async () => { if (current?.mask) hand(`${stem(current)}_mask.png`, await fileOf(current)); });
$("download-overlay").addEventListener("click", async () => {
  if (current) hand(`${stem(current)}_overlay.png`, await overlayOf(current, $("opacity").value / 100));
});

// -- wiring ---------------------------------------------------------------------------------------------

$("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
$("opacity").addEventListener("input", draw);
$("search").addEventListener("input", find);
$("width").addEventListener("input", () => { widened = true; setWidth($("width").value); });
$("closer").addEventListener("click", () => zoom(1.25));
$("farther").addEventListener("click", () => zoom(0.8));
$("fit").addEventListener("click", wholePhoto);
$("undo").addEventListener("click", () => putBack(done, undone));
$("redo").addEventListener("click", () => putBack(undone, done));
$("save").addEventListener("click", save);
$("next").addEventListener("click", openNext);
$("repredict").addEventListener("click", async () => {
  const photo = current;
  if (!photo?.said?.pixels || locked()) return;
  const mask = await unpacked(photo.said.pixels);
  if (photo !== current) return;
  begin();
  photo.mask.set(mask);
  touch(0, 0, photo.width, photo.height);
  end();
});
$("network").addEventListener("change", async () => {
  if (!current) { listClasses(); listAttention(); return; }
  if (!(await open(current))) $("network").value = current.network;
});
$("beside").addEventListener("change", async () => {
  const photo = current;
  $("other").hidden = !$("beside").checked;
  if (!photo || !$("beside").checked) return;
  try {
    const side = await otherSide(photo);
    if (photo === current) { photo.other = side; repaint(); }
  } catch (error) { fail(error); }
});
$("attention").addEventListener("change", () => showAttention().catch(fail));
new ResizeObserver(() => { if (view.whole) wholePhoto(); else draw(); }).observe(stage);
addEventListener("beforeunload", (event) => { if (current?.changed) event.preventDefault(); });
for (const name of ["dragover", "dragleave", "drop"])
  document.addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", name === "dragover");
    if (name === "drop") add(event.dataTransfer.files);
  });

async function begun() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) { sessionStorage.token = given; history.replaceState(null, "", location.pathname); }
  token = sessionStorage.token || "";
  fail();
  try { about = await askJson("api/about"); } catch (error) { fail(error); return; }
  $("network").replaceChildren(...about.networks.map((one, n) => new Option(one.name, n)));
  document.querySelectorAll(".for-several").forEach((one) => { one.hidden = about.networks.length < 2; });
  document.title = `auxseg: ${about.networks[0].name}`;
  listClasses();
  listAttention();
  buttons();
  await refresh();
  if (about.photos) say(`${about.photos} photos, the least certain first. Choose one.`);
}
addEventListener("hashchange", () => { if (location.hash.includes("token=")) begun(); });
begun();
