"""Make an animated PNG of screenshots, in which each frame is only what changed.

A browser compares them and finds the colours. See https://www.w3.org/TR/png-3/, where these files
are described with their frames.
"""

import base64
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.browser import Page

SIGNATURE = b"\x89PNG\r\n\x1a\n"

INDEXED = 3
"""The type of an image whose pixels are places in a palette."""

KEEP, REPLACE = 0, 0
"""A frame stays where the next one draws nothing, and replaces what is below it."""

CUT = """
globalThis.cut = null;
(async (pictures) => {
  const all = [];
  for (const picture of pictures) {
    const loaded = await fetch("data:image/png;base64," + picture);
    const image = await createImageBitmap(await loaded.blob());
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    const { data, width, height } = context.getImageData(0, 0, image.width, image.height);
    all.push({ pixels: new Uint32Array(data.buffer), width, height });
  }

  const counts = new Map();
  for (const { pixels } of all)
    for (const each of pixels) counts.set(each, (counts.get(each) || 0) + 1);
  // Take what is frequent and far from all that is taken: a small mark keeps its colour, too.
  const colours = [...counts].map(([value, count]) => ({
    value, parts: [value & 255, value >> 8 & 255, value >> 16 & 255],
    weight: Math.sqrt(count), far: Infinity, place: 0,
  }));
  const palette = [];
  for (let place = 0; place < 256; place++) {
    const worth = (each) => each.weight * each.far;
    const next = colours.reduce((best, each) => (worth(each) > worth(best) ? each : best));
    for (const each of colours) {
      const far = each.parts.reduce((sum, part, at) => sum + (part - next.parts[at]) ** 2, 0);
      if (far < each.far) Object.assign(each, { far, place });
    }
    palette.push(...next.parts);
  }
  const places = new Map(colours.map((each) => [each.value, each.place]));

  const frames = all.map(({ pixels, width, height }, index) => {
    // The first two are whole: the still picture, and the beginning.
    const before = index > 1 && all[index - 1].pixels;
    let [left, top, right, bottom] = before ? [width, height, 0, 0] : [0, 0, width, height];
    for (let at = 0; before && at < pixels.length; at++) if (before[at] !== pixels[at]) {
      const [x, y] = [at % width, Math.floor(at / width)];
      [left, top] = [Math.min(left, x), Math.min(top, y)];
      [right, bottom] = [Math.max(right, x + 1), Math.max(bottom, y + 1)];
    }
    if (!right) [left, top, right, bottom] = [0, 0, 1, 1];
    let lines = "";
    for (let y = top; y < bottom; y++) {
      lines += "\\0";  // The line is not filtered.
      for (let at = y * width + left; at < y * width + right; at++)
        lines += String.fromCharCode(places.get(pixels[at]));
    }
    return { left, top, width: right - left, height: bottom - top, lines: btoa(lines) };
  });
  globalThis.cut = { palette: btoa(String.fromCharCode(...palette)), frames };
})(PICTURES).catch((error) => { globalThis.cut = String(error); });
"""
"""JavaScript: choose 256 colours, and cut from each picture what differs from the one before, as
places of these colours."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A screenshot as a PNG, and how long it is shown."""

    png: bytes
    seconds: float


def animated_png(page: Page, frames: Sequence[Frame]) -> bytes:
    """Return an endless animation of frames of the same size, in 256 colours.

    A program that does not animate shows the frame that would be shown longest.
    """
    longest = max(frames, key=lambda frame: frame.seconds)
    palette, (still, *parts) = _cut(page, [longest, *frames])
    size = struct.pack(">II", still["width"], still["height"])
    chunks = [
        _chunk(b"IHDR", size + struct.pack(">BBBBB", 8, INDEXED, 0, 0, 0)),
        _chunk(b"acTL", struct.pack(">II", len(frames), 0)),
        _chunk(b"PLTE", palette),
        _chunk(b"IDAT", _pixels(still)),
    ]
    for index, (frame, part) in enumerate(zip(frames, parts, strict=True)):
        place = [part[name] for name in ("width", "height", "left", "top")]
        shown = struct.pack(">HHBB", round(frame.seconds * 1000), 1000, KEEP, REPLACE)
        chunks.append(_chunk(b"fcTL", struct.pack(">5I", 2 * index, *place) + shown))
        chunks.append(_chunk(b"fdAT", struct.pack(">I", 2 * index + 1) + _pixels(part)))
    return SIGNATURE + b"".join([*chunks, _chunk(b"IEND", b"")])


def _cut(page: Page, pictures: Sequence[Frame]) -> tuple[bytes, list[dict[str, Any]]]:
    """Return the palette, and the part of each picture that is drawn. The first two are whole."""
    page.open("about:blank", width=600, height=600)
    texts = [base64.b64encode(each.png).decode() for each in pictures]
    page.value(CUT.replace("PICTURES", json.dumps(texts)))
    page.wait_until("globalThis.cut")
    cut = page.value("cut")
    assert isinstance(cut, dict), cut
    return base64.b64decode(cut["palette"]), cut["frames"]


def _pixels(part: dict[str, Any]) -> bytes:
    return zlib.compress(base64.b64decode(part["lines"]), 9)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
