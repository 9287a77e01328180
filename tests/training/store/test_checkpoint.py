"""Promises 1 and 3: a checkpoint is whole or absent, and damage never loads."""

import errno
import json
import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.store import checkpoint, containers

FAULTY = ("mkdir", "open", "write", "fsync", "link", "replace", "close")


class Killed(BaseException):
    """Stands for kill -9: nothing of ours runs after it."""


class FaultyOs:
    """The os module, but call number `at` of those that change the disk fails, or the process dies there.

    It also knows what reached the disk: `lose_power` takes away whatever was not synced.
    """

    def __init__(self, at: int = 0, fault: type[BaseException] = OSError) -> None:
        self.at, self.fault, self.calls = at, fault, 0
        self.names: dict[int, Path] = {}
        self.written: set[int] = set()  # inodes
        self.synced: set[int] = set()
        self.unsynced_names: dict[Path, Path] = {}  # renamed to -> from, until the parent is synced
        self.unsynced_entries: set[tuple[int, str]] = (
            set()
        )  # new files: (inode of the folder, name), until it is synced

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return (lambda *args, **kwargs: self._call(name, real, *args, **kwargs)) if name in FAULTY else real

    def _call(self, name: str, real: Any, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls == self.at:
            if name == "write":  # half of it gets through
                real(args[0], bytes(args[1])[: len(args[1]) // 2])
            if name == "close":
                real(*args)
            raise self.fault(errno.ENOSPC, "No space left on device")
        result = real(*args, **kwargs)
        self._remember(name, args, result)
        return result

    def _remember(self, name: str, args: Any, result: Any) -> None:
        if name == "open":
            self.names[result] = Path(args[0])
            if args[1] & os.O_CREAT:
                self._entry(Path(args[0]))
        elif name == "link":
            self._entry(Path(args[1]))
        elif name == "write":
            self.written.add(os.fstat(args[0]).st_ino)
        elif name == "fsync":
            inode = os.fstat(args[0]).st_ino
            self.synced.add(inode)
            self.unsynced_entries = {entry for entry in self.unsynced_entries if entry[0] != inode}
            parent = self.names.get(args[0])
            self.unsynced_names = {to: of for to, of in self.unsynced_names.items() if to.parent != parent}
        elif name == "replace":
            self.unsynced_names[Path(args[1])] = Path(args[0])

    def _entry(self, path: Path) -> None:
        self.unsynced_entries.add((path.parent.stat().st_ino, path.name))

    def lose_power(self, directory: Path) -> None:
        """What was not synced is gone: renames are undone, files are missing or empty."""
        for to, of in reversed(self.unsynced_names.items()):
            if to.exists() and not of.exists():
                os.rename(to, of)
        for path in directory.rglob("*"):
            if (path.parent.stat().st_ino, path.name) in self.unsynced_entries:
                path.unlink()
            elif path.is_file() and path.stat().st_ino in self.written - self.synced:
                os.truncate(path, 0)


def parts(value: int) -> dict[str, Any]:
    return {"model": {"weight": torch.full((40,), float(value)), "value": value}, "rng": {"state": np.arange(5)}}


@pytest.fixture
def segments(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "replay"
    folder.mkdir()
    files = [folder / f"segment_{i}.bin" for i in range(2)]
    for i, file in enumerate(files):
        file.write_bytes(bytes([i]) * 1000)
    return files


def newest(directory: Path) -> int | None:
    """The value in the newest valid checkpoint."""
    path = checkpoint.latest_valid(directory)
    return None if path is None else checkpoint.load(path).parts["model"]["value"]


# -- contents ------------------------------------------------------------------------------------------------------
def test_everything_a_part_may_hold_comes_back_bit_for_bit(tmp_path: Path) -> None:
    structured = np.array([(1, 2.5), (3, -0.0)], [("key", "<u8"), ("x", "<f4")])
    held = {
        "torch": [torch.randn(3, 4), torch.arange(10)[2:5], torch.tensor(True), torch.randn(4, 4).T],
        "numpy": {
            "u64": np.array([2**64 - 1, 0], np.uint64),
            "bool": np.array([[True], [False]]),
            "struct": structured,
            "empty": np.zeros((0, 5), np.float32),
            "zero_d": np.array(7, np.int16),
            "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
            "text": np.array(["ab", "c"]),
            "scalar": np.float32(0.1),
        },
        "plain": [None, True, 2**127, -0.0, float("inf"), "ü", b"\x00\xff", (1, (2,)), {}, []],
        "python": random.getstate(),
        "generator": np.random.default_rng(3).bit_generator.state,
        "optimiser": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"betas": (0.9, 0.999)}]},
    }
    loaded = checkpoint.load(checkpoint.save(tmp_path, 5, {"all": held}))
    assert loaded.step == 5
    back = loaded.parts["all"]
    for a, b in zip(held["torch"], back["torch"], strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)
    for name, array in held["numpy"].items():
        assert type(array) is type(back["numpy"][name]), name
        assert array.dtype == back["numpy"][name].dtype, name
        assert array.shape == back["numpy"][name].shape, name
        assert array.tobytes() == back["numpy"][name].tobytes(), name
    back["numpy"]["u64"][0] = 1  # writable
    assert repr(back["plain"]) == repr(held["plain"])
    assert back["python"] == held["python"]
    assert back["generator"] == held["generator"]
    assert back["optimiser"] == held["optimiser"]


@pytest.mark.parametrize("bad", [object(), np.array([None]), {1.5: 0}, {"__ndarray__": 1}, {1, 2}, Path(".")])
def test_what_cannot_be_loaded_again_is_refused_with_its_place(tmp_path: Path, bad: Any) -> None:
    with pytest.raises(TypeError, match=r"model\.deep\[1\]"):
        checkpoint.save(tmp_path, 1, {"model": {"deep": [0, bad]}})
    assert list(tmp_path.iterdir()) == []


def test_tensors_of_an_accelerator_come_back_on_the_device_and_generator_states_on_the_cpu() -> None:
    stored = {"weight": {containers._ACCELERATOR: torch.ones(3)}, "rng": torch.get_rng_state()}
    back = containers.decode(stored, "meta")  # a device that every machine has
    assert back["weight"].device.type == "meta"
    assert back["rng"].device.type == "cpu"


def test_a_view_does_not_drag_its_storage_along(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 1, {"model": torch.zeros(1_000_000)[:10]})
    assert (path / "model.pt").stat().st_size < 10_000


def test_a_pickle_with_code_is_not_loaded(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 1, parts(1))
    torch.save({"x": Path("/")}, path / "model.pt")  # a class, as an attacker would send
    manifest = json.loads((path / "manifest.json").read_bytes())
    record = {"part": True, "size": (path / "model.pt").stat().st_size, "sha256": checkpoint._hash(path / "model.pt")}
    (path / "manifest.json").unlink()
    checkpoint._write_manifest(path / "manifest.json", 1, manifest["files"] | {"model.pt": record})
    with pytest.raises(Exception, match=r"[Ww]eights"):
        checkpoint.load(path)


def test_names_that_would_leave_the_folder_or_meet_are_refused(tmp_path: Path, segments: list[Path]) -> None:
    for bad in ({"../x": 1}, {"": 1}, {"a/b": 1}):
        with pytest.raises(ValueError, match="name of a file"):
            checkpoint.save(tmp_path / "c", 1, bad)
    with pytest.raises(ValueError, match="used twice"):
        checkpoint.save(tmp_path / "c", 1, {}, link_files=[segments[0], segments[0]])


# -- faults --------------------------------------------------------------------------------------------------------
def attempts(tmp_path: Path, fault: type[BaseException], old_step: int, monkeypatch: Any) -> Iterator[Any]:
    """Save value 2 over value 1, failing at each disk call in turn; yields the folder and the faulty os."""
    link_files = [tmp_path / "replay" / f"segment_{i}.bin" for i in range(2)]
    for at in range(1, 1000):
        directory = tmp_path / f"{fault.__name__}_{at}"
        checkpoint.save(directory, old_step, parts(1), link_files=link_files[:1])
        faulty = FaultyOs(at, fault)
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "os", faulty)
            try:
                checkpoint.save(directory, 2, parts(2), link_files=link_files, keep=1)
                done = True
            except (OSError, Killed):
                done = False
        yield directory, faulty, done
        if faulty.calls < at:
            assert at > 20, "the fault was never reached: this test tested nothing"
            return
    raise AssertionError("more disk calls than expected")


@pytest.mark.usefixtures("segments")
@pytest.mark.parametrize("old_step", [1, 2])  # 2: the same step is saved again
@pytest.mark.parametrize("fault", [OSError, Killed])
def test_failing_or_dying_at_any_disk_call_leaves_the_old_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException], old_step: int
) -> None:
    seen = set()
    for directory, faulty, done in attempts(tmp_path, fault, old_step, monkeypatch):
        faulty.lose_power(directory)
        value = newest(directory)
        assert value in ((2,) if done else (1, 2)), f"call {faulty.at}: {value}"
        seen.add(value)
        checkpoint.clean(directory)
        assert newest(directory) == value
        assert not list(directory.glob("*.tmp"))
        assert checkpoint.save(directory, 3, parts(3)) == directory / "step_3"
        assert newest(directory) == 3
    assert seen == {1, 2}


def test_control_without_fsync_the_new_checkpoint_is_lost_with_the_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shows that the test above would notice a missing fsync."""
    checkpoint.save(tmp_path, 1, parts(1))
    faulty = FaultyOs()
    monkeypatch.setattr(checkpoint, "os", faulty)
    monkeypatch.setattr(FaultyOs, "fsync", lambda self, descriptor: None, raising=False)
    checkpoint.save(tmp_path, 2, parts(2))
    faulty.lose_power(tmp_path)
    assert newest(tmp_path) == 1


def test_a_full_disk_is_an_oserror_not_one_of_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, 1, parts(1))
    real = os.write

    def full(descriptor: int, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, 2, {"model": torch.zeros(3_000_000)})
    monkeypatch.setattr(os, "write", real)
    assert [path.name for path in tmp_path.iterdir()] == ["step_1"]


# -- damage --------------------------------------------------------------------------------------------------------
def damage(path: Path, generator: random.Random, kind: str) -> None:
    data = bytearray(path.read_bytes())
    if kind == "flip":
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    elif kind == "truncate":
        del data[generator.randrange(len(data)) :]
    elif kind == "empty":
        data.clear()
    path.unlink()  # never write through a hard link
    if kind != "missing":
        path.write_bytes(data)


@pytest.mark.parametrize("name", ["model.pt", "rng.pt", "segment_0.bin", "manifest.json"])
@pytest.mark.parametrize("kind", ["flip", "truncate", "empty", "missing"])
def test_no_damage_loads_silently(
    tmp_path: Path, segments: list[Path], caplog: pytest.LogCaptureFixture, name: str, kind: str
) -> None:
    directory = tmp_path / "checkpoints"
    checkpoint.save(directory, 1, parts(1))
    path = checkpoint.save(directory, 2, parts(2), link_files=segments)
    generator = random.Random(f"{name} {kind}")
    sound = (path / name).read_bytes()
    for _ in range(40 if kind in ("flip", "truncate") else 1):
        damage(path / name, generator, kind)
        caplog.clear()
        with pytest.raises(checkpoint.CheckpointError):
            checkpoint.load(path)
        assert newest(directory) == 1
        assert "falling back" in caplog.text
        (path / name).write_bytes(sound)
        assert newest(directory) == 2


def test_nothing_valid_is_none(tmp_path: Path) -> None:
    assert checkpoint.latest_valid(tmp_path / "none") is None
    (tmp_path / "step_7").mkdir()
    (tmp_path / "step_8.tmp").mkdir()
    assert checkpoint.latest_valid(tmp_path) is None


# -- keeping -------------------------------------------------------------------------------------------------------
def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    for step in (100, 90, 1000, 200):  # 1000 is of a future that was passed over
        (tmp_path / f"step_{step}").mkdir()
    checkpoint.save(tmp_path, 300, parts(1), keep=3)
    checkpoint.mark_best(tmp_path / "step_300")
    for step in (400, 500, 600):
        checkpoint.save(tmp_path, step, parts(1), keep=2)
    assert {path.name for path in checkpoint.checkpoints(tmp_path)} == {"step_300", "step_500", "step_600", "step_1000"}
    assert checkpoint.best(tmp_path) == tmp_path / "step_300"
    (tmp_path / "best.json").write_text('{"name": "../../etc"}')
    assert checkpoint.best(tmp_path) is None


def test_linked_files_share_their_bytes_and_are_hashed_once(
    tmp_path: Path, segments: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "checkpoints"
    hashed: list[str] = []
    real = checkpoint._hash
    monkeypatch.setattr(checkpoint, "_hash", lambda path: (hashed.append(path.name), real(path))[1])
    first = checkpoint.save(directory, 1, {}, link_files=segments)
    second = checkpoint.save(directory, 2, {}, link_files=segments)
    assert hashed == ["segment_0.bin", "segment_1.bin"]
    assert (first / "segment_0.bin").stat().st_ino == (second / "segment_0.bin").stat().st_ino
    assert checkpoint.load(second).files["segment_1.bin"].read_bytes() == segments[1].read_bytes()
    segments[0].unlink()
    segments[0].write_bytes(b"another file of the same name")
    third = checkpoint.save(directory, 3, {}, link_files=segments)
    assert hashed[-1] == "segment_0.bin"
    checkpoint.verify(third)


def test_files_are_copied_where_links_are_impossible(
    tmp_path: Path, segments: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    path = checkpoint.save(tmp_path / "c", 1, {}, link_files=segments)
    assert checkpoint.load(path).files["segment_1.bin"].read_bytes() == segments[1].read_bytes()
    assert (path / "segment_1.bin").stat().st_ino != segments[1].stat().st_ino


def test_another_format_or_library_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = checkpoint.save(tmp_path, 1, parts(1))
    monkeypatch.setattr(checkpoint, "_libraries", lambda: iter([("torch", "9.9")]))
    with caplog.at_level(logging.WARNING):
        checkpoint.load(path)
    assert "this is 9.9" in caplog.text
    monkeypatch.setattr(checkpoint, "SCHEMA", checkpoint.SCHEMA + 1)
    with pytest.raises(checkpoint.CheckpointError, match=f"this version reads format {checkpoint.SCHEMA}"):
        checkpoint.load(path)
