"""A small world for the networks: the layout of pokemon_red and rows as the game could write them."""

import numpy as np
import pytest
import torch

from puffer_envs.layout import ObsLayout

LAYOUT = ObsLayout(
    np.uint8,
    ("screen", (72, 80), 2, 1 / 3),
    ("visited", (90,), 1),
    ("events", (2560,), 1),
    ("map_id", (1,)),
    ("position", (2,)),
    ("facing", (1,)),
    ("battle", (1,)),
    ("badges", (8,), 1),
    ("blackout_map", (1,)),
    ("party_species", (6,)),
    ("party_level", (6,), 8, 1 / 100),
    ("party_hp", (6,), 8, 1 / 255),
    ("party_status", (6,)),
    ("bag", (20, 2)),
    ("money", (1,), 8, 1 / 20),
)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else []), *(["mps"] if torch.mps.is_available() else [])]


@pytest.fixture(autouse=True)
def _one_thread_one_seed():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def layout() -> ObsLayout:
    return LAYOUT


@pytest.fixture(params=DEVICES)
def device(request) -> torch.device:
    return torch.device(request.param)


@pytest.fixture
def observations():
    """``observations(n) -> (rows uint8 [n, R], frames uint8 [n, 4, 1440])``, the newest frame being the row's."""

    def make(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.randint(0, 256, (count, LAYOUT.size), dtype=torch.uint8)
        for name, values in (("position", 40), ("facing", 4), ("battle", 4), ("money", 21)):
            rows[:, LAYOUT[name].span] %= values
        frames = torch.randint(0, 256, (count, 4, LAYOUT["screen"].size), dtype=torch.uint8)
        frames[:, -1] = rows[:, LAYOUT["screen"].span]
        return rows, frames

    return make
