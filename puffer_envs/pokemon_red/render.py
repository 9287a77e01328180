"""A row as a person sees it: the Game Boy's screen in the colours of paper and ink, and a panel of facts beside it."""

from typing import TYPE_CHECKING

import numpy as np

from puffer_envs import draw

if TYPE_CHECKING:
    from puffer_envs.pokemon_red.env import PokemonRed

SCALE = 3  # screen pixels a Game Boy pixel
PANEL = 240  # width, pixels
MARGIN, LINE = 14, 18
PAPER, INK, FAINT, ACCENT, LOSS = (246, 243, 232), (44, 52, 64), (150, 148, 140), (32, 128, 96), (190, 70, 60)
BADGE, NO_BADGE = (226, 168, 40), (222, 217, 202)

# From black to white; brightness 0-3 of a pixel is the index.
SHADES = np.array([(28, 42, 58), (72, 104, 112), (154, 178, 152), (240, 240, 216)], np.uint8)


def frame(env: "PokemonRed", row: int) -> np.ndarray:
    """Screen and panel, uint8 [432, 720, 3]."""
    pixels = SHADES[env.machines[row].screen()[:, :, 0] >> 6]
    screen = draw.upscale(pixels, SCALE)
    image = np.empty((screen.shape[0], screen.shape[1] + PANEL, 3), np.uint8)
    image[:] = PAPER
    image[:, : screen.shape[1]] = screen
    _draw_panel(image, env, row, screen.shape[1] + MARGIN)
    return image


def _draw_panel(image: np.ndarray, env: "PokemonRed", row: int, x: int) -> None:
    facts, y = env.facts, MARGIN
    draw.text(image, env.map_name(row), x, y, INK, 2)
    y += 2 * LINE
    step, limit = int(env.episode_step[row]), int(env.memory.limit[row])
    draw.text(image, f"step {step} of {limit}   x {facts.x[row]} y {facts.y[row]}", x, y, FAINT)
    y = _draw_badges(image, int(facts.badges[row]), x, y + LINE)
    y = _draw_party(image, env, row, x, y)
    held = f"milestones {int(env.milestones_held[row].sum())} of {env.milestones_held.shape[1]}"
    draw.text(image, held, x, y, FAINT)
    _draw_rewards(image, env, row, x, y + LINE + LINE // 2)


def _draw_badges(image: np.ndarray, badges: int, x: int, y: int) -> int:
    for badge in range(8):
        draw.rectangle(image, x + badge * 26, y, 20, 20, BADGE if badges >> badge & 1 else NO_BADGE)
    return y + 2 * LINE


def _draw_party(image: np.ndarray, env: "PokemonRed", row: int, x: int, y: int) -> int:
    facts, width = env.facts, PANEL - 2 * MARGIN - 80
    for mon in range(int(facts.party_count[row])):
        hp, full = int(facts.hp[row, mon]), max(int(facts.max_hp[row, mon]), 1)
        draw.text(image, f"L{facts.level[row, mon]}", x, y, INK)
        draw.rectangle(image, x + 30, y, width, 8, NO_BADGE)
        draw.rectangle(image, x + 30, y, width * hp // full, 8, ACCENT if 4 * hp > full else LOSS)
        draw.text(image, f"{hp}/{full}", x + width + 36, y, FAINT)
        y += LINE
    return y


def _draw_rewards(image: np.ndarray, env: "PokemonRed", row: int, x: int, y: int) -> None:
    returns = env.term_returns[row]
    draw.text(image, f"return {returns.sum():+.2f}", x, y, INK, 2)
    y += 2 * LINE
    for term, weight, total in zip(env.spec.reward_weights, env.weights, returns, strict=True):
        if weight:
            draw.text(image, term.replace("_", " "), x, y, INK)
            value = f"{total:+.2f}"
            left = x + PANEL - 2 * MARGIN - draw.text_size(value)[0]
            draw.text(image, value, left, y, ACCENT if total > 0 else LOSS if total < 0 else FAINT)
            y += LINE
