"""The house rules that no tool knows: who may name a game, what lies in a game's folder, how full a folder may be."""

import ast
import dataclasses
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from puffer_envs import registry
from puffer_envs.contract import game as game_module
from puffer_envs.contract.game import Game
from training.run import cli

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("puffer_envs", "policies", "training", "curriculum", "benchmarks", "tests")
FULL = 15  # Python files of a folder
PARTS = ("game.py", "config.py", "env.py", "render.py", "rewards.py", "observe.py", "training.toml")
SMALL = {"territory": {"map_size": 128, "num_maps": 1, "num_bots": 2}}

# A game's name, or what only one of them has. An underscore ends a word too; `map_location` and `dynamic_shapes` are
# torch's.
GAMES = [name.replace("_", "[ _]") for name in registry.TABLE]
WORDS = ("rom", "badges", "grid[-_]size", "iou", "shapes", "family", "map", *GAMES)
NAMED = re.compile(rf"(?<![a-z])(?<!dynamic_)({'|'.join(WORDS)})(?![a-z]|_location)", re.IGNORECASE)
# The format of savestates' indexes is as old as the first game, whose word stands in it.
EXEMPT = {("curriculum/index.py", 'ON_DISK = {"world_id": "rom_sha1", "emulator": "pyboy_version"}')}


@pytest.fixture(params=sorted(registry.TABLE))
def game(request) -> Game:
    return registry.resolve(request.param)


def test_training_and_curriculum_name_no_game():
    found = [
        f"{name}:{number}: {line.strip()}"
        for room in ("training", "curriculum")
        for path in sorted((ROOT / room).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if NAMED.search(line) and ((name := path.relative_to(ROOT).as_posix()), line.strip()) not in EXEMPT
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "hit"),
    [
        ("rows = map(str, rows)", True),
        ('"--rom"', True),
        ("load_rom(path)", True),
        ("# the IoU of a batch", True),
        ("a voxel swarm", True),
        ("--env.grid-size 64", True),
        ("Mapping[str, float]", False),
        ("torch.load(path, map_location=device)", False),
        ("export(policy, dynamic_shapes=sizes)", False),
        ("from collections import Counter", False),
        ("the shape of a row", False),
    ],
)
def test_the_search_knows_words_from_their_parts(line, hit):
    assert bool(NAMED.search(line)) is hit


def test_no_folder_is_a_hall():
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    counts = {folder.relative_to(ROOT).as_posix(): len(list(folder.glob("*.py"))) for folder in folders}
    assert not {folder: count for folder, count in counts.items() if count > FULL}


def test_a_games_folder_has_the_same_parts(game):
    folder = ROOT / "puffer_envs" / game.name
    assert not [part for part in PARTS if not (folder / part).is_file()]
    assert registry.TABLE[game.name] == f"puffer_envs.{game.name}.game:GAME"
    assert game.training_file == folder / "training.toml"


def test_a_wheel_has_the_training_files(game):
    package_data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    shipped = {path for pattern in package_data["puffer_envs"] for path in (ROOT / "puffer_envs").glob(pattern)}
    assert game.training_file in shipped


def test_a_training_file_is_one_for_config(game):
    own = cli.parse(["--env", game.name, "--run-name", "one"])
    given = cli.parse(["--config", str(game.training_file), "--run-name", "one"])
    assert cli.plain(dataclasses.replace(given, config=None)) == cli.plain(own)


def test_every_preset_can_be_chosen(game):
    training = game.training()
    for name in (*game.presets, *training.get("presets", {}), *training.get("machines", {})):
        cli.parse(["--env", game.name, "--preset", name])


def test_every_field_of_a_game_has_its_sentence():
    module = ast.parse(Path(game_module.__file__).read_text())
    (body,) = [node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Game"]
    told = {
        field.target.id
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }
    assert told == {field.name for field in dataclasses.fields(Game)}


def test_a_game_has_what_it_names(game):
    env = registry.make(game.name, 1, num_workers=0, **SMALL.get(game.name, {}))
    env.reset(1)
    summary = env.summary(0)
    assert {column.name for column in game.columns} | {*game.headline, *game.places} <= summary.keys()
    assert not game.group or isinstance(summary[game.group], str)
    sensed = game.sense(env.observations) if game.sense is not None else {}
    assert {*game.step_columns, *game.position_columns} <= sensed.keys()
    assert all(values.shape == (env.num_agents,) for values in sensed.values())
    assert {*game.fixed, *(alias.setting for alias in game.aliases.values())} <= set(game.Config._fields)
    env.close()
