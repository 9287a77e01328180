"""Drawing helpers: what is drawn, where, and nothing outside."""

import numpy as np
import pytest

from puffer_envs.kit import draw


def _image(height: int = 20, width: int = 40) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def test_a_letter_by_hand() -> None:
    image = _image(7, 5)
    draw.text(image, "T", 0, 0, (9, 8, 7))
    expected = np.array([[1] * 5, *[[0, 0, 1, 0, 0]] * 6])
    assert np.array_equal(image, expected[..., None] * [9, 8, 7])


def test_every_printable_letter_differs() -> None:
    pictures = set()
    for code in range(32, 127):
        image = _image(7, 5)
        draw.text(image, chr(code), 0, 0)
        pictures.add(image.tobytes())
    assert len(pictures) == 95


def test_text_size_bounds_what_is_drawn() -> None:
    for words, scale in (("Hg", 1), ("ab\ncde", 2), ("", 3)):
        image = _image(60, 60)
        draw.text(image, words, 0, 0, scale=scale)
        width, height = draw.text_size(words, scale)
        drawn = image.copy()
        image[:height, :width] = 0
        assert not image.any()
        assert drawn.any() == bool(words)


def test_letters_without_a_glyph_become_question_marks() -> None:
    one, other = _image(), _image()
    draw.text(one, "Ä\t", 0, 0)
    draw.text(other, "??", 0, 0)
    assert np.array_equal(one, other)


def test_rectangle_and_outline() -> None:
    image = _image(6, 8)
    draw.rectangle(image, 1, 2, 5, 3, (1, 2, 3))
    assert image.any(-1).sum() == 15
    assert image[2:5, 1:6].tolist() == [[[1, 2, 3]] * 5] * 3
    image = _image(6, 8)
    draw.rectangle(image, 1, 1, 5, 4, draw.WHITE, outline=1)
    assert image[..., 0].astype(bool).sum() == 5 * 4 - 3 * 2


def test_blit_copies_colour_and_grey() -> None:
    image = _image(4, 4)
    draw.blit(image, np.full((2, 2), 5, np.uint8), 1, 1)
    draw.blit(image, np.full((1, 1, 3), 7, np.uint8), 3, 3)
    assert image[1:3, 1:3].tolist() == [[[5] * 3] * 2] * 2
    assert image[3, 3].tolist() == [7] * 3
    assert image.astype(int).sum() == 4 * 15 + 21


@pytest.mark.parametrize(("x", "y"), [(-3, -3), (38, 18), (-100, 5), (5, -100), (100, 5), (5, 100), (-3, 18)])
def test_what_does_not_fit_is_cut_off(x: int, y: int) -> None:
    big = _image(300, 300)
    image = _image()
    picture = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    for target, dx, dy in ((image, 0, 0), (big, 130, 130)):
        draw.blit(target, picture, x + dx, y + dy)
        draw.text(target, "Wg", x + dx + 1, y + dy + 1)
        draw.rectangle(target, x + dx, y + dy, 9, 5, (1, 2, 3), outline=2)
    assert np.array_equal(image, big[130:150, 130:170])


def test_upscale() -> None:
    image = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert draw.upscale(image, 2).tolist() == [[[0, 1, 2]] * 2 + [[3, 4, 5]] * 2] * 2
