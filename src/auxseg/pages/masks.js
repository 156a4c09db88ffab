// What both pages share: bytes in, colours on a canvas, PNG files out. A mask is one byte a pixel.
"use strict";

const $ = (id) => document.getElementById(id);
const UNLABELLED = 255;
const shown = new Map(); // name of a class → whether it is drawn

// -- bytes ----------------------------------------------------------------------------------------

function bytesOf(text) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at++) bytes[at] = letters.charCodeAt(at);
  return bytes;
}

const through = async (bytes, stream) =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());

// As Python packs it.
const unpacked = (text) => through(bytesOf(text), new DecompressionStream("gzip"));

const fromDataUrl = (url) => createImageBitmap(new Blob([bytesOf(url.slice(url.indexOf(",") + 1))], { type: "image/png" }));

const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
const colourOf = (number, known) => (number < known.length ? rgb(known[number].colour) : [128, 128, 128]);

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function chunk(kind, data) {
  const whole = new Uint8Array(12 + data.length), words = new DataView(whole.buffer);
  words.setUint32(0, data.length);
  whole.set([...kind].map((one) => one.charCodeAt(0)), 4);
  whole.set(data, 8);
  let crc = 0xffffffff;
  for (let at = 4; at < 8 + data.length; at++) crc = CRC[(crc ^ whole[at]) & 255] ^ (crc >>> 8);
  words.setUint32(8 + data.length, (crc ^ 0xffffffff) >>> 0);
  return whole;
}

// A mask as a PNG file with a palette, byte by byte.
async function fileOf(photo) {
  const { width, height, mask } = photo;
  const head = new Uint8Array(13), words = new DataView(head.buffer);
  words.setUint32(0, width); words.setUint32(4, height);
  head.set([8, 3, 0, 0, 0], 8);
  const palette = new Uint8Array(768);
  for (let n = 0; n < 256; n++) palette.set(colourOf(n, photo.classes), 3 * n);
  const rows = new Uint8Array(height * (width + 1)); // each behind a byte that says: no filter
  for (let y = 0; y < height; y++) rows.set(mask.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const packed = await through(rows, new CompressionStream("deflate"));
  return new Blob(
    [Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10), chunk("IHDR", head), chunk("PLTE", palette), chunk("IDAT", packed), chunk("IEND", new Uint8Array())],
    { type: "image/png" },
  );
}

// Draws some of a mask in colours, onto a canvas of the photo's size; the background stays clear.
function paint(side, area) {
  const { mask, painted } = side, width = painted.width;
  const { left, top, right, bottom } = area;
  if (right <= left || bottom <= top) return;
  const picture = new ImageData(right - left, bottom - top);
  const words = new Uint32Array(picture.data.buffer), little = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
  const colours = Uint32Array.from({ length: 256 }, (_, n) => {
    const hidden = n === 0 || (n >= side.classes.length && n !== UNLABELLED) || shown.get(side.classes[n]?.name) === false;
    const [red, green, blue] = colourOf(n, side.classes);
    if (hidden) return 0;
    return little ? ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0 : ((red << 24) | (green << 16) | (blue << 8) | 255) >>> 0;
  });
  let to = 0;
  for (let y = top; y < bottom; y++)
    for (let x = left, at = y * width + left; x < right; x++) words[to++] = colours[mask[at++]];
  painted.getContext("2d").putImageData(picture, left, top);
}

function count(mask) {
  const counts = new Float64Array(256);
  for (let at = 0; at < mask.length; at++) counts[mask[at]]++;
  return counts;
}

const wholeOf = (photo) => ({ left: 0, top: 0, right: photo?.width, bottom: photo?.height });

// -- files ----------------------------------------------------------------------------------------

const stem = (photo) => photo.name.replace(/(.)\.[^.]*$/, "$1");

function hand(name, blob) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// A box, xyxy in the photo's pixels.
function outline(context, [left, top, right, bottom], width) {
  context.strokeStyle = "#d81e3f";
  context.lineWidth = width;
  context.strokeRect(left, top, right - left, bottom - top);
}

// The photo with mask and box over it.
async function overlayOf(photo, opacity) {
  const canvas = new OffscreenCanvas(photo.width, photo.height), context = canvas.getContext("2d");
  context.drawImage(photo.bitmap, 0, 0);
  context.globalAlpha = opacity;
  if (photo.painted) context.drawImage(photo.painted, 0, 0);
  context.globalAlpha = 1;
  if (photo.box) outline(context, photo.box, Math.max(2, Math.max(photo.width, photo.height) / 400));
  return canvas.convertToBlob({ type: "image/png" });
}
