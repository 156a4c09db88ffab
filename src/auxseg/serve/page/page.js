// One photo at a time: its pixels, its mask as one byte a pixel, and tools that change the mask.
"use strict";

const $ = (id) => document.getElementById(id);
const UNLABELLED = 255;
const HISTORY = 50;

// -- what is known ------------------------------------------------------------------------------

let about = null; // GET /api/about
let token = "";
const uploaded = []; // files that were chosen: { name, file }
let listed = []; // the folder's photos
let current = null; // { file } or { number, name }, with: bitmap, width, height, mask, …
let view = { scale: 1, x: 0, y: 0 }; // canvas = image × scale + (x, y)
let active = 1; // the class that tools draw
let cross = null; // where the keyboard is, in the image's pixels
let polygon = []; // corners so far
let undone = [], done = [];
let asked = 0; // numbers what was asked for, so that a late answer is told from the last one

const shown = []; // class → whether it is drawn

// -- asking the server --------------------------------------------------------------------------

async function ask(path, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  for (let tries = 0; ; tries++) {
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch {
      throw new Error("the server does not answer");
    }
    if (response.status === 503 && tries < 5) {
      const seconds = Number(response.headers.get("Retry-After")) || 1;
      say(`The server is busy; trying again in ${seconds} s.`);
      await new Promise((go) => setTimeout(go, 1000 * seconds));
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
function fail(error) { $("error").textContent = error ? String(error.message || error) : ""; }

// -- masks: PNG files ↔ one byte a pixel ----------------------------------------------------------


function pixelsOf(bitmap, width = bitmap.width, height = bitmap.height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

// The palette of a mask's file has the classes' colours, each of them once.
async function maskOf(url, classes) {
  const data = pixelsOf(await fromDataUrl(url));
  const known = new Map(classes.map((one, n) => [rgb(one.colour).reduce((a, b) => 256 * a + b), n]));
  const mask = new Uint8Array(data.length / 4);
  for (let at = 0; at < mask.length; at++) {
    const key = 65536 * data[4 * at] + 256 * data[4 * at + 1] + data[4 * at + 2];
    mask[at] = known.get(key) ?? UNLABELLED;
  }
  return mask;
}

async function fromDataUrl(url) {
  const bytes = Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (c) => c.charCodeAt(0));
  return createImageBitmap(new Blob([bytes], { type: "image/png" }));
}

// A PNG file whose red channel holds the class numbers.
async function fileOf(mask, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const picture = new ImageData(width, height);
  for (let at = 0; at < mask.length; at++) {
    picture.data.fill(mask[at], 4 * at, 4 * at + 3);
    picture.data[4 * at + 3] = 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

function colourOf(number) {
  if (number === UNLABELLED) return [128, 128, 128];
  return rgb(classes()[number].colour);
}

const classes = () => about.networks[Number($("network").value) || 0].classes;

// A canvas of the photo's size with the mask in colours; the background is transparent.
function paint(mask, canvas, area) {
  const width = canvas.width;
  const { left, top, right, bottom } = area;
  if (right <= left || bottom <= top) return;
  const picture = new ImageData(right - left, bottom - top);
  const colours = Array.from({ length: 256 }, (_, n) =>
    n < classes().length || n === UNLABELLED ? [...colourOf(n), n !== 0 && shown[n] !== false ? 255 : 0] : [0, 0, 0, 0]);
  let to = 0;
  for (let y = top; y < bottom; y++)
    for (let x = left; x < right; x++) {
      const colour = colours[mask[y * width + x]];
      picture.data[to++] = colour[0]; picture.data[to++] = colour[1];
      picture.data[to++] = colour[2]; picture.data[to++] = colour[3];
    }
  canvas.getContext("2d").putImageData(picture, left, top);
}

const whole = () => ({ left: 0, top: 0, right: current.width, bottom: current.height });

// -- showing --------------------------------------------------------------------------------------

function fitCanvas(canvas) {
  const box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
  const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}

function wholePhoto() {
  if (!current) return;
  const canvas = $("stage");
  fitCanvas(canvas);
  const scale = Math.min(canvas.width / current.width, canvas.height / current.height);
  view = {
    scale,
    x: (canvas.width - scale * current.width) / 2,
    y: (canvas.height - scale * current.height) / 2,
  };
  draw();
}

let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawOn($("stage"), current?.painted);
    if (!$("other").hidden) drawOn($("other"), current?.paintedOther);
  });
}

function drawOn(canvas, painted) {
  fitCanvas(canvas);
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!current) return;
  context.setTransform(view.scale, 0, 0, view.scale, view.x, view.y);
  context.imageSmoothingEnabled = view.scale < 2;
  context.drawImage(current.bitmap, 0, 0);
  const heat = current.heat;
  if (heat) {
    context.globalAlpha = 0.7;
    context.imageSmoothingEnabled = true;
    context.drawImage(heat, 0, 0, current.width, current.height);
    context.imageSmoothingEnabled = view.scale < 2;
  }
  if (painted) {
    context.globalAlpha = $("opacity").value / 100;
    context.drawImage(painted, 0, 0);
  }
  context.globalAlpha = 1;
  context.lineWidth = 2 / view.scale;
  if (current.box) {
    const [left, top, right, bottom] = current.box;
    context.strokeStyle = "#d81e3f";
    context.strokeRect(left, top, right - left, bottom - top);
  }
  if (canvas !== $("stage")) return;
  if (polygon.length) {
    context.strokeStyle = "#fff";
    context.beginPath();
    polygon.forEach(([x, y], n) => (n ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
    for (const [x, y] of polygon) context.strokeRect(x - 2 / view.scale, y - 2 / view.scale, 4 / view.scale, 4 / view.scale);
  }
  if (cross && document.activeElement === canvas) {
    context.strokeStyle = "#ff0";
    const arm = 12 / view.scale;
    context.beginPath();
    context.moveTo(cross[0] - arm, cross[1]); context.lineTo(cross[0] + arm, cross[1]);
    context.moveTo(cross[0], cross[1] - arm); context.lineTo(cross[0], cross[1] + arm);
    context.stroke();
  }
}

function zoom(factor, at) {
  if (!current) return;
  const canvas = $("stage");
  const [x, y] = at || [canvas.width / 2, canvas.height / 2];
  const scale = Math.min(64, Math.max(0.01, view.scale * factor));
  view = {
    scale,
    x: x - (x - view.x) * (scale / view.scale),
    y: y - (y - view.y) * (scale / view.scale),
  };
  draw();
}

function listClasses(shares) {
  const list = $("classes");
  list.replaceChildren();
  classes().forEach((one, n) => {
    const row = document.createElement("li");
    const pick = Object.assign(document.createElement("input"), { type: "radio", name: "class", checked: n === active });
    pick.addEventListener("change", () => { active = n; });
    const label = document.createElement("label");
    const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
    swatch.style.background = one.colour;
    label.append(pick, swatch, one.name);
    const see = Object.assign(document.createElement("input"), { type: "checkbox", checked: shown[n] !== false, disabled: n === 0 });
    see.setAttribute("aria-label", `show ${one.name}`);
    see.addEventListener("change", () => { shown[n] = see.checked; repaint(); });
    const share = Object.assign(document.createElement("span"), { className: "share" });
    share.textContent = shares ? `${(100 * shares[n]).toFixed(1)} %` : "";
    row.append(see, label, share);
    list.append(row);
  });
  if (about.ignores) {
    const row = document.createElement("li");
    const pick = Object.assign(document.createElement("input"), { type: "radio", name: "class", checked: active === UNLABELLED });
    pick.addEventListener("change", () => { active = UNLABELLED; });
    const label = document.createElement("label");
    label.append(pick, "not labelled");
    row.append(label);
    list.append(row);
  }
}

function shares() {
  const counts = new Array(256).fill(0);
  for (const value of current.mask) counts[value]++;
  return classes().map((_, n) => counts[n] / current.mask.length);
}

function repaint(area = whole()) {
  if (!current?.mask) return;
  paint(current.mask, current.painted, area);
  if (current.maskOther && area.right - area.left === current.width)
    paint(current.maskOther, current.paintedOther, whole());
  draw();
}

function describe() {
  const parts = classes().map((one, n) => [one.name, current.mask ? shares()[n] : 0])
    .filter(([, share], n) => n > 0 && share > 0)
    .map(([name, share]) => `${name} ${(100 * share).toFixed(1)} %`);
  const text = parts.length ? parts.join(", ") : "nothing but background";
  $("stage").setAttribute("aria-label", `${current.name}: ${current.mask ? text : "no mask"}`);
  if (current.mask) listClasses(shares());
}

// -- a photo and what the network says of it ---------------------------------------------------------

async function open(photo) {
  if (current?.changed && !confirm("The mask was changed and is not saved. Go on without it?")) return;
  const mine = ++asked;
  fail();
  say(`${photo.name}: asking the network …`);
  document.querySelectorAll("#photos button").forEach((one) =>
    one.setAttribute("aria-current", one.dataset.key === photo.key));
  try {
    const opened = photo.file ? await openFile(photo) : await openListed(photo);
    if (mine !== asked) return; // another one was chosen meanwhile
    current = opened;
    done = []; undone = []; polygon = []; cross = [current.width / 2, current.height / 2];
    buttons();
    $("width").max = Math.max(50, Math.round(Math.max(current.width, current.height) / 5));
    wholePhoto();
    repaint();
    describe();
    tell();
  } catch (error) {
    if (mine === asked) { fail(error); say(""); }
  }
}

function tell() {
  const { said, width, height, name } = current;
  const parts = [];
  if (said?.label) parts.push(`class ${said.label} (${Math.round(100 * said.probability)} %)`);
  if (said?.box) parts.push("a box");
  if (said?.uncertainty !== undefined) parts.push(`uncertainty ${said.uncertainty.toFixed(3)}`);
  if (current.from === "saved") parts.push("the mask in the folder");
  $("found").textContent = parts.join(", ");
  say(`${name}: ${width} × ${height} pixels.`);
}

async function openFile(photo) {
  const body = new FormData();
  body.append("image", photo.file);
  const [bitmap, said] = await Promise.all([
    createImageBitmap(photo.file).catch(() => null),
    askJson(`api/predict?probabilities=true&network=${$("network").value || 0}`, { method: "POST", body }),
  ]);
  if (!bitmap) throw new Error(`${photo.name}: this browser cannot show photos of this format`);
  return answered(photo, bitmap, said);
}

async function openListed(photo) {
  const path = `api/photos/${photo.number}`;
  const [picture, said, saved] = await Promise.all([
    ask(`${path}/image`).then((one) => one.blob()).then(createImageBitmap),
    askJson(`${path}/prediction?network=${$("network").value || 0}`),
    askJson(`${path}/mask`),
  ]);
  return answered(photo, picture, said, saved.mask);
}

async function answered(photo, bitmap, said, saved = null) {
  if (bitmap.width !== said.width || bitmap.height !== said.height)
    throw new Error(`${photo.name}: this browser turns the photo otherwise than the network saw it`);
  const { width, height } = said;
  const opened = { ...photo, bitmap, width, height, said, box: said.box, changed: false };
  opened.from = saved ? "saved" : "prediction";
  opened.mask = said.mask ? await maskOf(saved || said.mask, classes()) : null;
  opened.painted = opened.mask && new OffscreenCanvas(width, height);
  if (said.probabilities) {
    const planes = await Promise.all(said.probabilities.map(fromDataUrl));
    opened.sure = planes.map((plane) => ({ width: plane.width, height: plane.height, data: pixelsOf(plane) }));
  }
  await addOther(opened);
  return opened;
}

// The second network's mask, where both are to be seen.
async function addOther(photo) {
  if (!$("beside").checked || about.networks.length < 2) return;
  const second = 1 - (Number($("network").value) || 0);
  let said;
  if (photo.file) {
    const body = new FormData();
    body.append("image", photo.file);
    said = await askJson(`api/predict?network=${second}`, { method: "POST", body });
  } else said = await askJson(`api/photos/${photo.number}/prediction?network=${second}`);
  if (!said.mask) return;
  photo.maskOther = await maskOf(said.mask, about.networks[second].classes);
  photo.paintedOther = new OffscreenCanvas(photo.width, photo.height);
}

async function showAttention() {
  const key = $("attention").value;
  if (!current) return;
  current.heat = null;
  if (key) {
    if (!current.attention) {
      const network = $("network").value || 0;
      const query = `attention=true&network=${network}`;
      let said;
      if (current.file) {
        const body = new FormData();
        body.append("image", current.file);
        said = await askJson(`api/predict?${query}`, { method: "POST", body });
      } else said = await askJson(`api/photos/${current.number}/prediction?${query}`);
      current.attention = said.attention || {};
      listAttention(Object.keys(current.attention), key);
    }
    const name = current.attention[key] ? key : Object.keys(current.attention)[0];
    if (name) current.heat = await fromDataUrl(current.attention[name]);
  }
  draw();
}

function listAttention(names, chosen) {
  const select = $("attention");
  select.replaceChildren(new Option("none", ""), ...names.map((name) => new Option(name, name)));
  select.value = names.includes(chosen) ? chosen : names[0] || "";
}

// -- the list of photos -----------------------------------------------------------------------------

function listPhotos() {
  const rows = [
    ...uploaded.map((one) => ({ ...one, note: "" })),
    ...listed.map((one) => ({
      key: `n${one.number}`, number: one.number, name: one.name, has_mask: one.has_mask, uncertainty: one.uncertainty,
      note: one.has_mask ? "✓ mask" : one.uncertainty === null ? "…" : `unsure ${one.uncertainty.toFixed(3)}`,
    })).sort((a, b) => a.has_mask - b.has_mask || (b.uncertainty ?? -1) - (a.uncertainty ?? -1) || a.number - b.number),
  ];
  const list = $("photos"), focused = document.activeElement?.dataset?.key;
  list.replaceChildren(...rows.map((row) => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.dataset.key = row.key;
    button.append(row.name, Object.assign(document.createElement("small"), { textContent: row.note }));
    button.setAttribute("aria-current", current?.key === row.key);
    button.addEventListener("click", () => open(row));
    item.append(button);
    return item;
  }));
  if (focused) list.querySelector(`[data-key="${focused}"]`)?.focus();
  $("gallery").hidden = !rows.length;
  const bare = listed.filter((one) => !one.has_mask), known = bare.filter((one) => one.uncertainty !== null);
  $("progress").textContent = listed.length ? `(${listed.length - bare.length} of ${listed.length} have a mask; ${known.length} of ${bare.length} ranked)` : "";
  return rows;
}

async function refresh() {
  if (about.photos === null) return;
  try { listed = await askJson("api/photos"); } catch (error) { fail(error); }
  listPhotos();
  if (listed.some((one) => !one.has_mask && one.uncertainty === null)) setTimeout(refresh, 2000);
}

function openNext() {
  const rows = listPhotos().filter((row) => !row.file && !row.has_mask && row.key !== current?.key);
  if (rows.length) open(rows[0]); else say("Every photo of the folder has a mask.");
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
let before = null, touched = null;

function begin() { before = current.mask.slice(); touched = null; }

function touch(left, top, right, bottom) {
  const area = {
    left: Math.max(0, left), top: Math.max(0, top),
    right: Math.min(current.width, right), bottom: Math.min(current.height, bottom),
  };
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
    done.push({ area: touched, mask: cut(before, touched) });
    if (done.length > HISTORY) done.shift();
    undone = [];
    current.changed = true;
  }
  before = null;
  buttons();
  describe();
}

function cut(mask, { left, top, right, bottom }) {
  const piece = new Uint8Array((right - left) * (bottom - top));
  for (let y = top; y < bottom; y++)
    piece.set(mask.subarray(y * current.width + left, y * current.width + right), (y - top) * (right - left));
  return piece;
}

function putBack(from, to) {
  const step = from.pop();
  if (!step) return;
  const { area, mask } = step, width = area.right - area.left;
  to.push({ area, mask: cut(current.mask, area) });
  for (let y = area.top; y < area.bottom; y++)
    current.mask.set(mask.subarray((y - area.top) * width, (y - area.top + 1) * width), y * current.width + area.left);
  current.changed = true;
  repaint(area);
  buttons();
  describe();
}

function buttons() {
  $("undo").disabled = !done.length;
  $("redo").disabled = !undone.length;
  $("saving").hidden = current?.number === undefined;
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
  if (polygon.length > 2) {
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
    polygon = [];
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

const pointers = new Map();
let last = null, pinched = null;

function onCanvas(event) {
  const box = $("stage").getBoundingClientRect();
  return [(event.clientX - box.left) * ($("stage").width / box.width), (event.clientY - box.top) * ($("stage").height / box.height)];
}
const inImage = ([x, y]) => [(x - view.x) / view.scale, (y - view.y) / view.scale];
const inside = ([x, y]) => current && x >= 0 && y >= 0 && x < current.width && y < current.height;

function press(at) {
  if (!current?.mask) return;
  if (tool() === "polygon") { polygon.push(at); draw(); }
  else if (tool() === "fill") { if (inside(at)) fill(at); }
  else if (tool() === "brush" || tool() === "eraser") { begin(); stroke(at, at); last = at; }
}

const stage = $("stage");
stage.addEventListener("pointerdown", (event) => {
  stage.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, onCanvas(event));
  if (pointers.size === 2) {
    if (before) { current.mask.set(before); repaint(); before = null; } // it was no stroke
    pinched = [...pointers.values()];
  } else if (tool() !== "move" && event.button === 0) press(inImage(onCanvas(event)));
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
    view.x += is[0] - was[0]; view.y += is[1] - was[1];
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
  const [x, y] = at.map(Math.floor);
  const number = current.mask[y * current.width + x];
  let line = `${x}, ${y}: ${number === UNLABELLED ? "not labelled" : classes()[number].name}`;
  if (current.sure && number !== UNLABELLED) {
    const plane = current.sure[number];
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
    if (key === "z") { event.preventDefault(); event.shiftKey ? putBack(undone, done) : putBack(done, undone); }
    if (key === "s" && !$("saving").hidden) { event.preventDefault(); save(); }
    return;
  }
  if (typing || !current) return;
  if (event.altKey && /^Digit\d$/.test(event.code)) {
    event.preventDefault();
    const number = Number(event.code.slice(5));
    if (number < classes().length) { active = number; describe(); say(`Class ${classes()[number].name}.`); }
  } else if (event.altKey) return;
  else if (KEYS[key]) document.querySelector(`[name=tool][value=${KEYS[key]}]`).click();
  else if (key === "[" || key === "]") {
    $("width").value = Number($("width").value) * (key === "]" ? 1.25 : 0.8) + (key === "]" ? 1 : 0);
    $("width").dispatchEvent(new Event("input"));
  } else if (key === "+" || key === "=") zoom(1.25);
  else if (key === "-") zoom(0.8);
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
    hover(cross);
    draw();
  } else if (event.key === " ") {
    event.preventDefault();
    press(cross);
    if (before) end();
    say($("hover").textContent);
  }
}

// -- saving ------------------------------------------------------------------------------------------

async function save() {
  if (current?.number === undefined || !current.mask) return;
  fail();
  const photo = current, body = new FormData();
  try {
    body.append("mask", await fileOf(photo.mask, photo.width, photo.height), "mask.png");
    const answer = await askJson(`api/photos/${photo.number}/mask`, { method: "PUT", body });
    photo.changed = false;
    say(`Saved masks/${answer.saved}` + (answer.before ? `; the one before is masks-before/${answer.before}.` : "."));
    await refresh();
  } catch (error) { fail(error); }
}

function hand(name, blob) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

$("download").addEventListener("click", async () => {
  if (!current?.mask) return;
  const stem = current.name.replace(/\.[^.]*$/, "");
  if (current.changed || current.from === "saved") hand(`${stem}_mask.png`, await fileOf(current.mask, current.width, current.height));
  else {
    const bytes = Uint8Array.from(atob(current.said.mask.split(",")[1]), (c) => c.charCodeAt(0));
    hand(`${stem}_mask.png`, new Blob([bytes], { type: "image/png" }));
  }
});
$("download-overlay").addEventListener("click", async () => {
  if (!current) return;
  const canvas = new OffscreenCanvas(current.width, current.height), context = canvas.getContext("2d");
  context.drawImage(current.bitmap, 0, 0);
  context.globalAlpha = $("opacity").value / 100;
  if (current.painted) context.drawImage(current.painted, 0, 0);
  hand(`${current.name.replace(/\.[^.]*$/, "")}_overlay.png`, await canvas.convertToBlob({ type: "image/png" }));
});

// -- wiring ---------------------------------------------------------------------------------------------

$("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
$("opacity").addEventListener("input", draw);
$("width").addEventListener("input", () => { $("width-shown").textContent = Math.round($("width").value); });
$("closer").addEventListener("click", () => zoom(1.25));
$("farther").addEventListener("click", () => zoom(0.8));
$("fit").addEventListener("click", wholePhoto);
$("undo").addEventListener("click", () => putBack(done, undone));
$("redo").addEventListener("click", () => putBack(undone, done));
$("save").addEventListener("click", save);
$("next").addEventListener("click", openNext);
$("repredict").addEventListener("click", async () => {
  if (!current?.said?.mask) return;
  begin();
  current.mask.set(await maskOf(current.said.mask, classes()));
  touch(0, 0, current.width, current.height);
  end();
});
$("network").addEventListener("change", () => { current && (current.changed = false, open(current)); });
$("beside").addEventListener("change", async () => {
  $("other").hidden = !$("beside").checked;
  if (!current) return;
  try { await addOther(current); } catch (error) { fail(error); }
  repaint();
});
$("attention").addEventListener("change", () => showAttention().catch(fail));
new ResizeObserver(wholePhoto).observe(stage);
addEventListener("beforeunload", (event) => { if (current?.changed) event.preventDefault(); });
for (const name of ["dragover", "dragleave", "drop"])
  document.addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", name === "dragover");
    if (name === "drop") add(event.dataTransfer.files);
  });

(async () => {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) { sessionStorage.token = given; history.replaceState(null, "", location.pathname); }
  token = sessionStorage.token || "";
  try {
    about = await askJson("api/about");
  } catch (error) { fail(error); return; }
  $("network").replaceChildren(...about.networks.map((one, n) => new Option(one.name, n)));
  document.querySelectorAll(".for-several").forEach((one) => { one.hidden = about.networks.length < 2; });
  $("attention-row").hidden = !about.networks.some((one) => one.attention);
  if (!$("attention-row").hidden) $("attention").append(new Option("show …", "show"));
  document.title = `auxseg: ${about.networks[0].name}`;
  active = Math.min(1, Math.max(0, classes().length - 1));
  listClasses();
  await refresh();
  if (about.photos) say(`${about.photos} photos, the least certain first. Choose one.`);
})();
