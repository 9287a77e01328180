"""Videos are whole or absent, are made beside the training, and never stop it."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from training.evaluation import video
from training.evaluation.video import Video, VideoError, VideoWorker, write_video


def squares(count: int, height: int = 36, width: int = 40) -> Iterator[np.ndarray]:
    """A red square that moves one pixel a frame over blue."""
    for i in range(count):
        frame = np.zeros((height, width, 3), np.uint8)
        frame[..., 2] = 200
        frame[8:16, i % (width - 8) : i % (width - 8) + 8] = (250, 0, 0)
        yield frame


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def wait_for(condition: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


# -- what is written -----------------------------------------------------------------------------------------------
def test_both_files_show_the_frames_at_the_same_speed(tmp_path: Path) -> None:
    made = write_video(squares(30), tmp_path / "videos" / "rollout_1.5")
    assert names(tmp_path / "videos") == ["rollout_1.5.gif", "rollout_1.5.mp4"]
    assert made.frames == 30
    assert made.bytes == made.mp4.stat().st_size + made.gif.stat().st_size
    mp4, gif = iio.imread(made.mp4), iio.imread(made.gif)
    assert mp4.shape == (30, 288, 320, 3)  # 36 x 40, enlarged by 8
    assert gif.shape[:3] == (15, 288, 320)
    meta = iio.immeta(made.mp4, plugin="FFMPEG")
    assert meta["fps"] == 30
    assert meta["codec"] == "h264"
    # Frame 20 has its square at columns 20..27: centre (12, 24) is red, (12, 10) is blue.
    for picture, tolerance in ((mp4[20], 30), (gif[10], 30)):
        assert np.abs(picture[12 * 8, 24 * 8, :3].astype(int) - (250, 0, 0)).max() < tolerance
        assert np.abs(picture[12 * 8, 10 * 8, :3].astype(int) - (0, 0, 200)).max() < tolerance


@pytest.mark.parametrize(("height", "width", "shape"), [(289, 301, (290, 302)), (1, 1, (288, 288))])
def test_odd_and_tiny_sizes(tmp_path: Path, height: int, width: int, shape: tuple[int, int]) -> None:
    frames = [np.full((height, width, 3), 90, np.uint8)] * 2
    made = write_video(frames, tmp_path / "x")
    assert iio.imread(made.mp4).shape[1:3] == shape


def test_one_frame_and_a_second_video_of_the_same_name(tmp_path: Path) -> None:
    write_video(squares(1), tmp_path / "x")
    made = write_video(squares(6), tmp_path / "x")
    assert iio.imread(made.mp4).shape[0] == 6


# -- what goes wrong -------------------------------------------------------------------------------------------------
def frames_that(fail: str) -> Iterator[np.ndarray]:
    yield from squares(5)
    if fail == "raise":
        raise ZeroDivisionError("in the rollout")
    yield from squares(1, height=10)


def test_whatever_fails_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_video(frames_that("raise"), tmp_path / "x")
    with pytest.raises(VideoError, match="frame 5 is"):
        write_video(frames_that("change"), tmp_path / "x")
    with pytest.raises(VideoError, match="no frames"):
        write_video([], tmp_path / "x")
    with pytest.raises(VideoError, match="uint8"):
        write_video([np.zeros((4, 4, 3))], tmp_path / "x")
    assert names(tmp_path) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(VideoError, match="cannot write"):
        write_video(squares(2), tmp_path / "file" / "x")


def test_a_failed_video_leaves_the_former_one(tmp_path: Path) -> None:
    write_video(squares(4), tmp_path / "x")
    with pytest.raises(ZeroDivisionError):
        write_video(frames_that("raise"), tmp_path / "x")
    assert names(tmp_path) == ["x.gif", "x.mp4"]
    assert iio.imread(tmp_path / "x.mp4").shape[0] == 4


def test_ffmpeg_says_why_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "MP4_OPTIONS", ("-c:v", "no_such_codec"))
    with pytest.raises(VideoError, match="ffmpeg failed: "):
        write_video(squares(300), tmp_path / "x")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(VideoError, match="install the package imageio-ffmpeg"):
        write_video(squares(3), tmp_path / "x")
    assert names(tmp_path) == []


def test_leftovers_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    for name in ("rollout_5.mp4", "rollout_6.tmp.mp4", "rollout_6.tmp.png"):
        (tmp_path / name).write_text("")
    video.clean(tmp_path)
    assert names(tmp_path) == ["rollout_5.mp4"]


# -- beside the training ---------------------------------------------------------------------------------------------
def test_the_worker_works_in_its_own_thread_and_takes_one_at_a_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[Video] = []
    go = threading.Event()

    def slow() -> Iterator[np.ndarray]:
        assert threading.current_thread().name == "video"
        go.wait(10)
        yield from squares(4)

    worker = VideoWorker(done.append)
    assert worker.submit(slow(), tmp_path / "a")
    assert worker.busy
    assert not worker.submit(squares(4), tmp_path / "b")
    assert "left out" in caplog.text
    go.set()
    wait_for(lambda: not worker.busy)
    assert worker.submit(squares(4), tmp_path / "c")
    worker.close()
    worker.close()
    assert [made.mp4.name for made in done] == ["a.mp4", "c.mp4"]


def test_a_failing_rollout_is_a_warning_and_the_next_video_is_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    worker = VideoWorker()
    worker.submit(frames_that("raise"), tmp_path / "a")
    wait_for(lambda: not worker.busy)
    assert "no video a: in the rollout" in caplog.text
    worker.submit(squares(4), tmp_path / "b")
    worker.close()
    assert "4 frames" in caplog.text
    assert names(tmp_path) == ["b.gif", "b.mp4"]


def test_a_hanging_ffmpeg_is_given_up_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake_ffmpeg(tmp_path / "ffmpeg", monkeypatch, "exec sleep 60")
    worker = VideoWorker()
    worker.submit(squares(2000), tmp_path / "videos" / "a")  # more than a pipe holds: the thread blocks in write
    time.sleep(0.2)
    begin = time.monotonic()
    worker.close(timeout=0.1)
    assert time.monotonic() - begin < 3
    assert "given up" in caplog.text
    assert names(tmp_path / "videos") == []


def fake_ffmpeg(path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(video, "_ffmpeg", lambda: str(path))


# -- frames that the caller makes --------------------------------------------------------------------------------------
def watched(count: int, alive: list[int]) -> Iterator[np.ndarray]:
    """Frames of 432 x 720, made in the caller's thread; `alive` is how many were in memory as each was made."""
    here: list[weakref.ref[np.ndarray]] = []
    for i in range(count):
        assert threading.current_thread() is threading.main_thread()
        frame = np.full((432, 720, 3), i % 200, np.uint8)
        here.append(weakref.ref(frame))
        alive.append(sum(ref() is not None for ref in here))
        yield frame


def test_a_recording_holds_a_few_frames_only_and_does_not_wait_for_the_gif(tmp_path: Path) -> None:
    done: list[Video] = []
    alive: list[int] = []
    worker = VideoWorker(done.append)
    assert worker.record(watched(120, alive), tmp_path / "a")
    assert worker.busy
    never = iter(squares(1))
    assert not worker.record(never, tmp_path / "b")
    assert next(never, None) is not None  # not a single one was made
    worker.close(30)
    assert [made.frames for made in done] == [120]
    assert max(alive) <= video.WAITING_FRAMES + 4
    assert names(tmp_path) == ["a.gif", "a.mp4"]


@pytest.mark.parametrize("script", ["exit 1", "exec sleep 60"])
def test_an_ffmpeg_that_dies_or_hangs_ends_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, script: str
) -> None:
    fake_ffmpeg(tmp_path / "ffmpeg", monkeypatch, script)
    monkeypatch.setattr(video, "PATIENCE", 0.5)
    alive: list[int] = []
    worker = VideoWorker()
    begin = time.monotonic()
    assert not worker.record(watched(600, alive), tmp_path / "videos" / "a")
    assert time.monotonic() - begin < 5
    assert len(alive) < 300  # nobody plays on for a video that cannot be made
    wait_for(lambda: not worker.busy)
    worker.close()
    assert "no video a: " in caplog.text
    assert names(tmp_path / "videos") == []


def test_a_rollout_that_raises_in_a_recording_is_the_callers_error(tmp_path: Path) -> None:
    worker = VideoWorker()
    with pytest.raises(ZeroDivisionError):
        worker.record(frames_that("raise"), tmp_path / "a")
    wait_for(lambda: not worker.busy)
    assert names(tmp_path) == []
    assert worker.record(squares(4), tmp_path / "b")
    assert worker.record(iter(()), tmp_path / "c") is False
    worker.close()
    assert names(tmp_path) == ["b.gif", "b.mp4"]


RUN = """
import sys
from pathlib import Path
import numpy as np
from training.run.signals import StopSignals
from training.evaluation.video import VideoWorker

def frames():
    for i in range(1500):
        yield np.full((288, 320, 3), i % 255, np.uint8)
        if i == 100:
            print("filming", flush=True)
        if i == 200 and sys.argv[2] == "wait":
            import time; time.sleep(60)

with StopSignals() as signals:
    worker = VideoWorker(lambda made: print("frames", made.frames, flush=True))
    worker.submit(frames(), Path(sys.argv[1]) / "rollout_1")
    while not signals.requested:
        pass
    worker.close(timeout=30)
"""


def start(tmp_path: Path, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(tmp_path), mode]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "filming\n"
    return run


def test_ctrl_c_while_filming_finishes_the_video(tmp_path: Path) -> None:
    run = start(tmp_path, "go")
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to the whole group
    out, _ = run.communicate(timeout=60)
    assert out == "frames 1500\n"
    assert names(tmp_path) == ["rollout_1.gif", "rollout_1.mp4"]


def test_kill_9_while_filming_leaves_no_process_and_nothing_that_looks_whole(tmp_path: Path) -> None:
    run = start(tmp_path, "wait")
    run.kill()
    run.communicate(timeout=10)
    wait_for(lambda: not encoders(tmp_path))
    video.clean(tmp_path)
    assert names(tmp_path) == []


def encoders(directory: Path) -> list[str]:
    """Processes whose command line names a file in `directory`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found
