"""A small world for the networks: the layout of pokemon_red and rows as the game could write them."""

import pytest
import torch

from puffer_envs.contract.layout import ObsLayout
from puffer_envs.pokemon_red.observe import LAYOUT

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
