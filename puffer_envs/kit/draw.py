"""Drawing on uint8 [H, W, 3] images in place: what render files and videos need, without a graphics library.

Everything may lie partly or wholly outside the image; what does not fit is cut off.
"""

from functools import cache

import numpy as np

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
GLYPH_WIDTH, GLYPH_HEIGHT = 5, 7  # pixels; one column and one row of space between glyphs come on top

# The common 5 x 7 dot-matrix font, ASCII 32-126: five columns a glyph as hex bytes, lowest bit at the top.
_FONT = (
    "0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649552250 0005030000 001c224100 0041221c00 "
    "082a1c2a08 08083e0808 0050300000 0808080808 0060600000 2010080402 3e5149453e 00427f4000 4261514946 2141454b31 "
    "1814127f10 2745454539 3c4a494930 0171090503 3649494936 064949291e 0036360000 0056360000 0814224100 1414141414 "
    "0041221408 0201510906 324979413e 7e1111117e 7f49494936 3e41414122 7f4141221c 7f49494941 7f09090101 3e41415132 "
    "7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f0204027f 7f0408107f 3e4141413e 7f09090906 3e4151215e "
    "7f09192946 4649494931 01017f0101 3f4040403f 1f2040201f 7f2018207f 6314081463 0304780403 6151494543 007f414100 "
    "0204081020 0041417f00 0402010204 4040404040 0001020400 2054545478 7f48444438 3844444420 384444487f 3854545418 "
    "087e090102 081454543c 7f08040478 00447d4000 2040443d00 007f102844 00417f4000 7c04180478 7c08040478 3844444438 "
    "7c14141408 081414187c 7c08040408 4854545420 043f444020 3c4040207c 1c2040201c 3c4030403c 4428102844 0c5050503c "
    "4464544c44 0008364100 00007f0000 0041360800 0201020402"
)


@cache
def _glyphs() -> np.ndarray:
    """bool [95, GLYPH_HEIGHT, GLYPH_WIDTH], ASCII 32-126."""
    columns = np.frombuffer(bytes.fromhex(_FONT), np.uint8).reshape(-1, 1, GLYPH_WIDTH)
    return (columns >> np.arange(GLYPH_HEIGHT, dtype=np.uint8)[:, None] & 1).astype(np.bool_)


def text_size(words: str, scale: int = 1) -> tuple[int, int]:
    """Width and height in pixels of what `text` draws."""
    lines = words.split("\n")
    width = max(len(line) for line in lines) * (GLYPH_WIDTH + 1) - 1
    return max(width, 0) * scale, (len(lines) * (GLYPH_HEIGHT + 1) - 1) * scale


def text(image: np.ndarray, words: str, x: int, y: int, colour: Colour = WHITE, scale: int = 1) -> None:
    """Write ASCII words with their upper left corner at (x, y); a newline begins a new line, others become '?'."""
    for row, line in enumerate(words.split("\n")):
        for column, letter in enumerate(line):
            code = ord(letter) - 32 if 32 <= ord(letter) <= 126 else ord("?") - 32
            glyph = _glyphs()[code].repeat(scale, 0).repeat(scale, 1)
            left, top = x + column * (GLYPH_WIDTH + 1) * scale, y + row * (GLYPH_HEIGHT + 1) * scale
            target, source = _overlap(image, glyph.shape, left, top)
            image[target][glyph[source]] = colour


def rectangle(
    image: np.ndarray, x: int, y: int, width: int, height: int, colour: Colour, outline: int | None = None
) -> None:
    """Fill a rectangle, or draw its border alone, ``outline`` pixels thick and inside it."""
    if outline is None:
        target, _ = _overlap(image, (height, width), x, y)
        image[target] = colour
        return
    across, down = min(outline, height), min(outline, width)
    rectangle(image, x, y, width, across, colour)
    rectangle(image, x, y + height - across, width, across, colour)
    rectangle(image, x, y, down, height, colour)
    rectangle(image, x + width - down, y, down, height, colour)


def blit(image: np.ndarray, picture: np.ndarray, x: int, y: int) -> None:
    """Copy a picture, uint8 [h, w, 3] or grey [h, w], with its upper left corner at (x, y)."""
    target, source = _overlap(image, picture.shape[:2], x, y)
    image[target] = picture[source] if picture.ndim == 3 else picture[source][..., None]


def upscale(image: np.ndarray, factor: int) -> np.ndarray:
    """A new image with each pixel as a square of ``factor`` x ``factor``."""
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def _overlap(
    image: np.ndarray, shape: tuple[int, ...], x: int, y: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of the image that a shape placed at (x, y) covers, and the part of the shape that lies inside."""
    height, width = max(shape[0], 0), max(shape[1], 0)
    top, left = np.clip(y, 0, image.shape[0]), np.clip(x, 0, image.shape[1])
    bottom, right = np.clip(y + height, 0, image.shape[0]), np.clip(x + width, 0, image.shape[1])
    return (slice(top, bottom), slice(left, right)), (slice(top - y, bottom - y), slice(left - x, right - x))
