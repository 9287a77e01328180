"""A row as a person sees it: the Game Boy's screen in the colours of paper and ink, and a panel of facts beside it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from puffer_envs.kit import draw
from puffer_envs.pokemon_red.ram import Facts

SCALE = 3  # screen pixels a Game Boy pixel
PANEL = 240  # width, pixels
MARGIN, LINE = 14, 18
PAPER, INK, FAINT, ACCENT, LOSS = (246, 243, 232), (44, 52, 64), (150, 148, 140), (32, 128, 96), (190, 70, 60)
BADGE, NO_BADGE = (226, 168, 40), (222, 217, 202)

# From black to white; brightness 0-3 of a pixel is the index.
SHADES = np.array([(28, 42, 58), (72, 104, 112), (154, 178, 152), (240, 240, 216)], np.uint8)


class View(NamedTuple):
    """What of a row is drawn."""

    screen: np.ndarray  # uint8 [144, 160, C], brightness in the first channel
    map_name: str
    facts: Facts  # of all rows
    row: int
    step: int  # of the episode
    limit: int
    milestones: tuple[int, int]  # held, and how many there are
    returns: Mapping[str, float]  # weighted reward terms, summed over the episode


def frame(view: View) -> np.ndarray:
    """Screen and panel, uint8 [432, 720, 3]."""
    screen = draw.upscale(SHADES[view.screen[:, :, 0] >> 6], SCALE)
    image = np.empty((screen.shape[0], screen.shape[1] + PANEL, 3), np.uint8)
    image[:] = PAPER
    image[:, : screen.shape[1]] = screen
    _draw_panel(image, view, screen.shape[1] + MARGIN)
    return image


def _draw_panel(image: np.ndarray, view: View, x: int) -> None:
    facts, row, y = view.facts, view.row, MARGIN
    draw.text(image, view.map_name, x, y, INK, 2)
    y += 2 * LINE
    draw.text(image, f"step {view.step} of {view.limit}   x {facts.x[row]} y {facts.y[row]}", x, y, FAINT)
    y = _draw_badges(image, int(facts.badges[row]), x, y + LINE)
    y = _draw_party(image, facts, row, x, y)
    held, there_are = view.milestones
    draw.text(image, f"milestones {held} of {there_are}", x, y, FAINT)
    _draw_returns(image, view.returns, x, y + LINE + LINE // 2)


def _draw_badges(image: np.ndarray, badges: int, x: int, y: int) -> int:
    for badge in range(8):
        draw.rectangle(image, x + badge * 26, y, 20, 20, BADGE if badges >> badge & 1 else NO_BADGE)
    return y + 2 * LINE


def _draw_party(image: np.ndarray, facts: Facts, row: int, x: int, y: int) -> int:
    width = PANEL - 2 * MARGIN - 80
    for mon in range(int(facts.party_count[row])):
        hp, full = int(facts.hp[row, mon]), max(int(facts.max_hp[row, mon]), 1)
        draw.text(image, f"L{facts.level[row, mon]}", x, y, INK)
        draw.rectangle(image, x + 30, y, width, 8, NO_BADGE)
        draw.rectangle(image, x + 30, y, width * hp // full, 8, ACCENT if 4 * hp > full else LOSS)
        draw.text(image, f"{hp}/{full}", x + width + 36, y, FAINT)
        y += LINE
    return y


def _draw_returns(image: np.ndarray, returns: Mapping[str, float], x: int, y: int) -> None:
    draw.text(image, f"return {sum(returns.values()):+.2f}", x, y, INK, 2)
    y += 2 * LINE
    for term, total in returns.items():
        draw.text(image, term.replace("_", " "), x, y, INK)
        value = f"{total:+.2f}"
        left = x + PANEL - 2 * MARGIN - draw.text_size(value)[0]
        draw.text(image, value, left, y, ACCENT if total > 0 else LOSS if total < 0 else FAINT)
        y += LINE
