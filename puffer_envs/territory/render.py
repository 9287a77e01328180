"""A picture of one game from above: land in its owners' colours, borders, terrain, and what the learner looks at."""

import colorsys
from collections.abc import Sequence

import numpy as np

from puffer_envs.kit import draw
from puffer_envs.territory.config import Config
from puffer_envs.territory.maps import Map
from puffer_envs.territory.state import CITY, NO_BUILDING, TICK, Game

LONGEST = 768  # pixels of the map's longer side, about
FOOT, BAR, MARGIN = 52, 14, 8  # pixels below the map, of the bar of shares, and around both
LEARNER = (255, 72, 72)
TINT = 0.62  # of an owner's colour, the rest is the ground's
BACKGROUND, FAINT = (20, 22, 28), (150, 156, 168)
LOCAL_BOX, TACTICAL_BOX = (255, 255, 255), (255, 224, 96)


def frame(
    game: Game, map: Map, ground: np.ndarray, boxes: Sequence[tuple[np.ndarray, int]], config: Config
) -> np.ndarray:
    """uint8 [H, W, 3]; H and W depend on the size of the map alone.

    Args:
        ground: uint8 [map's H, W, 3], `relief.terrain_colours`, which takes its time.
        boxes: first tile (x, y) and tiles along the edge of the local and of the tactical view.
    """
    height, width = map.classes.shape
    scale = LONGEST / max(height, width)
    rows = (np.arange(round(height * scale)) / scale).astype(int)
    columns = (np.arange(round(width * scale)) / scale).astype(int)
    owner = game.owner.reshape(height, width)
    colours = palette(config.num_agents, config.num_bots)
    picture = ground[rows][:, columns]
    shown = owner[rows][:, columns]
    owned = shown > 0
    picture = np.where(owned[..., None], TINT * colours[shown] + (1 - TINT) * picture, picture)
    edges = _edges(owner)[rows][:, columns]
    picture[edges] = 0.55 * colours[shown[edges]]
    image = np.empty((len(rows) + FOOT, len(columns), 3), np.uint8)
    image[:] = BACKGROUND
    image[: len(rows)] = picture.astype(np.uint8)
    _structures(image, game, width, scale)
    for (origin, edge), colour in zip(boxes, (LOCAL_BOX, TACTICAL_BOX), strict=True):
        x, y = (int(place * scale) for place in origin)
        draw.rectangle(image[: len(rows)], x, y, int(edge * scale), int(edge * scale), colour, 1)
    _foot(image[len(rows) :], game, map, colours, config)
    return image


def palette(learners: int, bots: int) -> np.ndarray:
    """Colours of nobody, of the learners (reds) and of the bots, float64 [P1, 3]."""
    colours = np.zeros((1 + learners + bots, 3))
    for i in range(learners):
        colours[1 + i] = np.array(LEARNER) * (1 - 0.5 * i / learners)
    for i in range(bots):  # hues as far apart as they can be, the learners' left out
        hue = 0.08 + 0.84 * (i * 0.381966 % 1.0)
        rgb = colorsys.hsv_to_rgb(hue, 0.55 + 0.25 * (i % 2), 0.95 - 0.2 * (i % 3))
        colours[1 + learners + i] = 255 * np.array(rgb)
    return colours


def _edges(owner: np.ndarray) -> np.ndarray:
    """Owned tiles beside another owner's, bool [H, W]."""
    edges = np.zeros(owner.shape, np.bool_)
    across, down = owner[:, 1:] != owner[:, :-1], owner[1:] != owner[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges & (owner > 0)


def _structures(image: np.ndarray, game: Game, width: int, scale: float) -> None:
    for kind, tile in game.structures.tolist():
        if kind != NO_BUILDING:
            x, y = int(tile % width * scale), int(tile // width * scale)
            draw.rectangle(image, x - 3, y - 3, 7, 7, draw.BLACK)
            draw.rectangle(image, x - 2, y - 2, 5, 5, draw.WHITE if kind == CITY else TACTICAL_BOX)


def _foot(image: np.ndarray, game: Game, map: Map, colours: np.ndarray, config: Config) -> None:
    """The players' shares of the land as a bar, and the learner's figures."""
    length, at = image.shape[1] - 2 * MARGIN, float(MARGIN)
    draw.rectangle(image, MARGIN, MARGIN, length, BAR, (58, 62, 70))
    for player in range(1, len(game.tiles)):
        share = length * game.tiles[player] / map.land
        red, green, blue = colours[player].astype(int).tolist()
        draw.rectangle(image, int(at), MARGIN, int(at + share) - int(at), BAR, (red, green, blue))
        at += share
    win = MARGIN + int(length * config.win_share)
    draw.rectangle(image, win, MARGIN - 3, 2, BAR + 6, draw.WHITE)
    standing = int((game.tiles[1:] > 0).sum())
    told = f"land {game.tiles[1] / map.land:.1%}   troops {game.troops[1]:,.0f}   tick {int(game.numbers[TICK]):,}"
    draw.text(image, told, MARGIN, MARGIN + BAR + 8, draw.WHITE, 2)
    left = f"{standing} left"
    draw.text(image, left, image.shape[1] - MARGIN - draw.text_size(left, 2)[0], MARGIN + BAR + 8, FAINT, 2)
