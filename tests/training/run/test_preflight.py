"""Every mistake that can be foreseen is one clear sentence, and leaves nothing behind."""

import os
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from policies.protocol import Network
from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.spec import EnvSpec
from training.off_policy.replay import SequenceReplay
from training.off_policy.segments import SegmentFiles
from training.run import preflight
from training.run.preflight import GIB, MIB, UserError
from training.store import checkpoint
from training.telemetry.records import size_text


@pytest.fixture
def here(tmp_path: Path) -> dict[str, Any]:
    """Arguments with which everything is well."""
    return {
        "runs_dir": tmp_path / "runs",
        "savestates_dir": tmp_path / "savestates",
        "run_name": "big_run_01",
        "resume": False,
        "disk_bytes": 1,
        "memory": {"the replay": 1},
    }


def a_run(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "config.toml").write_text("")


def test_a_sound_call_passes_and_writes_nothing(here: dict[str, Any], tmp_path: Path) -> None:
    assert preflight.preflight(**here) == tmp_path / "runs" / "big_run_01"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "0" * 64])
def test_good_names(here: dict[str, Any], name: str) -> None:
    preflight.preflight(**here | {"run_name": name})


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-a", "_a", "a b", "a\n", "0" * 65, "é", "a\x00"])
def test_bad_names(here: dict[str, Any], tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be a run name") as error:
        preflight.preflight(**here | {"run_name": name})
    assert str(error.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_wants_resume_and_resume_an_existing_run(here: dict[str, Any]) -> None:
    a_run(here["runs_dir"] / "big_run_01")
    with pytest.raises(UserError, match="continue it with --resume"):
        preflight.preflight(**here)
    preflight.preflight(**here | {"resume": True})
    with pytest.raises(UserError, match=r"no run 'big_run_1' in .* did you mean 'big_run_01'\?"):
        preflight.preflight(**here | {"resume": True, "run_name": "big_run_1"})
    (here["runs_dir"] / "empty").mkdir()
    preflight.preflight(**here | {"run_name": "empty"})
    with pytest.raises(UserError, match="no run 'empty'"):
        preflight.preflight(**here | {"resume": True, "run_name": "empty"})


def test_a_new_run_does_not_take_over_shipped_savestates(here: dict[str, Any]) -> None:
    a_run(here["savestates_dir"] / "wayfarer")
    with pytest.raises(UserError, match="savestates of something else"):
        preflight.preflight(**here | {"run_name": "wayfarer"})


def test_a_link_out_of_the_runs_folder_is_refused(here: dict[str, Any], tmp_path: Path) -> None:
    a_run(tmp_path / "elsewhere")
    here["runs_dir"].mkdir()
    (here["runs_dir"] / "big_run_01").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="leads out of"):
        preflight.preflight(**here | {"resume": True})


def test_a_file_or_a_forbidden_folder_in_the_way(here: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    here["runs_dir"].write_text("")
    with pytest.raises(UserError, match="is not a folder"):
        preflight.preflight(**here)
    here["runs_dir"].unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(UserError, match="no permission to write"):
        preflight.preflight(**here)


def test_too_little_disk_or_memory(here: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: usage(9 * GIB, 9 * GIB, 300 * MIB))
    with pytest.raises(UserError, match=r"300\.0 MB are free where .* needs 2\.0 GB: make room, .*runs-dir"):
        preflight.preflight(**here | {"disk_bytes": 2 * GIB})
    monkeypatch.setattr(preflight, "SAVESTATES_BYTES", GIB)
    with pytest.raises(UserError, match=r"savestates.* needs 1\.0 GB: make room, .* with --savestates-dir"):
        preflight.preflight(**here)
    monkeypatch.undo()
    monkeypatch.setattr(preflight, "available_memory", lambda: 4 * GIB)
    preflight.preflight(**here | {"memory": {"the replay": 3 * GIB, "x": GIB}})
    with pytest.raises(UserError, match=r"about 4\.1 GB of memory and 4\.0 GB are free; most .* 3\.0 GB, is for the r"):
        preflight.preflight(**here | {"memory": {"x": GIB + 100 * MIB, "the replay": 3 * GIB}})


def test_a_container_is_smaller_than_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   8388608 kB\n",
        "/sys/fs/cgroup/memory.max": f"{2 * GIB}\n",
        "/sys/fs/cgroup/memory.current": f"{GIB}\n",
    }
    monkeypatch.setattr(preflight, "_read", lambda path: files.get(str(path), ""))
    assert preflight.available_memory() == GIB
    files["/sys/fs/cgroup/memory.stat"] = f"active_file 1\ninactive_file {GIB // 2}\nunevictable 0\n"
    assert preflight.available_memory() == GIB + GIB // 2  # checkpoints that lie in the page cache are no hindrance
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert preflight.available_memory() == 8 * GIB
    files |= {
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": f"{3 * GIB}\n",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes": f"{2 * GIB}\n",
        "/sys/fs/cgroup/memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {GIB // 4}\n",
    }
    assert preflight.available_memory() == GIB + GIB // 4


class Swarm:
    """A run reduced to what takes disk: a replay of 2 rows that is saved every `interval` records, and its peak."""

    RECORDS, ROW, KEPT = 2 * 16 * 24, 1_000, 3

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.peak, self.step = folder, 0, 0
        network = Network()
        network.state_size, network.history = 0, 4
        spec = EnvSpec("none", ObsLayout(np.uint8, ("frame", (self.ROW,))), spaces.Discrete(2), {"pay": 1.0})
        self.replay = SequenceReplay(self.RECORDS, 2, spec, network, 8, segment=16)
        self.segments = SegmentFiles(self.replay, folder / "replay")
        prune = checkpoint._prune

        def measure(*args: Any) -> None:  # the moment of most files: all are written and none is dropped
            self.peak = max(self.peak, preflight.held_bytes(folder))
            prune(*args)

        monkeypatch.setattr(checkpoint, "_prune", measure)

    def play(self, steps: int, interval: int) -> None:
        flags, nothing = torch.zeros(2, dtype=torch.bool), torch.zeros(2)
        rows = torch.zeros(2, self.ROW, dtype=torch.uint8)
        for _ in range(0, steps, 2):
            self.step += 2
            self.replay.append(np.arange(2), rows, torch.zeros(2, 0), flags, nothing, nothing, flags)
            if self.step % interval == 0:
                parts = {"replay": self.replay.state_dict()}
                where = self.folder / "checkpoints"
                path = checkpoint.save(where, self.step, parts, link_files=self.segments.write(), keep=self.KEPT)
                if checkpoint.best(where) is None:
                    checkpoint.mark_best(path)  # and so it stays


@pytest.mark.parametrize("interval", [192, 960])  # a quarter of the replay, and more than it holds
@pytest.mark.parametrize("share", [0.5, 8])  # of the replay: a short run, and one that fills it many times
def test_the_disk_forecast_is_what_the_checkpoints_come_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interval: int, share: float
) -> None:
    swarm, total = Swarm(tmp_path / "run", monkeypatch), max(int(Swarm.RECORDS * share), interval)
    swarm.play(total, interval)
    forecast = preflight.predict_disk(
        records=Swarm.RECORDS,
        record_bytes=Swarm.ROW + 8,
        parameters=0,
        total_steps=total,
        save_interval=interval,
        kept=Swarm.KEPT,
    )
    assert 0.75 < swarm.peak / forecast < 1.25


def test_a_resumed_run_has_a_part_of_its_disk_already(
    here: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = here["runs_dir"] / "big_run_01"
    Swarm(folder, monkeypatch).play(400, 200)
    held = preflight.held_bytes(folder / "checkpoints")
    assert 400 * Swarm.ROW < held < 500 * Swarm.ROW  # shared segments are counted once
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: usage(9 * GIB, 9 * GIB, 300 * MIB))
    preflight.preflight(**here | {"resume": True, "disk_bytes": 300 * MIB + held})
    with pytest.raises(UserError, match="make room"):
        preflight.preflight(**here | {"resume": True, "disk_bytes": 300 * MIB + held + 1})


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert preflight.pick_device("auto") == torch.device("cpu")
    for name, words in (("cuda", "asks for a GPU"), ("mps", "Apple"), ("tpu", "no device"), ("meta", "not supported")):
        with pytest.raises(UserError, match=words):
            preflight.pick_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert preflight.pick_device("auto").type == "cuda"
    with pytest.raises(UserError, match="GPUs here: 1"):
        preflight.pick_device("cuda:1")


def test_the_banner_says_what_a_person_wants_to_know(tmp_path: Path) -> None:
    # 400,000 records of 2,000 B and 1,000,000 parameters x 5 copies x 4 B = 20 MB
    memory = preflight.predict_memory(
        records=400_000, record_bytes=2_000, parameters=1_000_000, update=7, environments=144 * MIB
    )
    assert memory["the stored decisions"] == 800_000_000
    assert memory["the network and its optimiser"] == 20_000_000
    assert memory["an update"] == 7
    text = preflight.banner(
        run_name="big_run_01",
        env="pokemon_red",
        model="large, 1,000,000 parameters",
        device=torch.device("cpu"),
        num_envs=64,
        num_workers=2,
        torch_threads=1,
        memory=memory,
        folder=tmp_path / "runs" / "big_run_01",
        savestates=tmp_path / "savestates" / "big_run_01",
        resume_step=1_200_000,
    )
    for words in ("goes on at step 1,200,000", "64 environments in 2 workers", "1.3 GB predicted", "torch 2.", "free"):
        assert words in text
    assert str(tmp_path / "runs" / "big_run_01") in text
    assert all(len(line) < 200 for line in text.splitlines())


@pytest.mark.parametrize(
    ("size", "text"),
    [(999, "999 B"), (1024, "1 KB"), (1536 * 1024, "1.5 MB"), (999 * GIB, "999.0 GB"), (1 << 40, "1.0 TB")],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text
