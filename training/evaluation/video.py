"""Videos of rollouts: an mp4 to look at and a gif to send, encoded by ffmpeg beside the training."""

import contextlib
import logging
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

logger = logging.getLogger(__name__)

# Small screens are enlarged by a whole factor, so that their pixels stay squares.
SMALLEST_HEIGHT = 288
# A caller's frames wait for ffmpeg in a short queue, and the caller waits so many seconds for a place in it.
WAITING_FRAMES, PATIENCE = 8, 10.0
MP4_OPTIONS = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p", "-movflags", "+faststart")


class Video(NamedTuple):
    """A finished video, for the log."""

    mp4: Path
    gif: Path
    frames: int
    bytes: int  # of both files
    seconds: float  # of encoding, the rollout included where the frames are made on the way

    def __str__(self) -> str:
        return f"{self.mp4} and {self.gif.name}: {self.frames} frames, {self.bytes:,} bytes, {self.seconds:.1f} s"


class VideoError(RuntimeError):
    """A video could not be made; nothing of it is left."""


class Cancel:
    """Lets another thread end an encoding, even one that hangs in ffmpeg."""

    def __init__(self) -> None:
        self.cancelled = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Give up: the encoding raises VideoError and cleans up."""
        with self._lock:
            self.cancelled = True
            if self._process is not None:
                self._process.kill()

    @contextlib.contextmanager
    def watching(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Within this context a cancel kills `process`."""
        with self._lock:
            self._process = process
            if self.cancelled:
                process.kill()
        try:
            yield
        finally:
            with self._lock:
                self._process = None


def write_video(
    frames: Iterable[np.ndarray], path_stem: Path, fps_mp4: int = 30, fps_gif: int = 15, cancel: Cancel | None = None
) -> Video:
    """Write ``<path_stem>.mp4`` (libx264) and ``<path_stem>.gif``, both at the same speed and both whole or absent.

    Args:
        frames: uint8 [H, W, 3], all of one shape; taken one at a time, never held together.

    Raises:
        VideoError: no frames, frames of several sizes, no ffmpeg, a full disk, or a cancel.
        Exception: whatever ``frames`` raises.
    """
    begin = time.perf_counter()
    cancel = cancel or Cancel()
    mp4, gif = _with_end(path_stem, ".mp4"), _with_end(path_stem, ".gif")
    parts = [_with_end(path_stem, end) for end in (".tmp.mp4", ".tmp.gif", ".tmp.png")]
    part_mp4, part_gif, palette = parts
    try:
        path_stem.parent.mkdir(parents=True, exist_ok=True)
        count = _encode_mp4(frames, part_mp4, fps_mp4, cancel)
        fps = f"fps={fps_gif}"
        # Two passes: in one, ffmpeg would hold every frame until it has seen the last.
        _run(["-i", part_mp4, "-vf", f"{fps},palettegen=stats_mode=diff", "-update", "1", palette], cancel)
        dither = f"[0:v]{fps}[v];[v][1:v]paletteuse=dither=bayer:bayer_scale=4:diff_mode=rectangle"
        _run(["-i", part_mp4, "-i", palette, "-lavfi", dither, part_gif], cancel)
        os.replace(part_mp4, mp4)
        os.replace(part_gif, gif)
    except OSError as error:
        raise VideoError(f"cannot write {mp4.name}: {error.strerror or error}") from error
    finally:
        for path in parts:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    size = mp4.stat().st_size + gif.stat().st_size
    return Video(mp4, gif, count, size, time.perf_counter() - begin)


def clean(directory: Path) -> None:
    """Remove what a killed run left half-written."""
    for path in directory.glob("*.tmp.*"):
        path.unlink(missing_ok=True)


def _with_end(stem: Path, end: str) -> Path:
    return stem.with_name(stem.name + end)  # `with_suffix` would eat the end of "rollout_0.5"


def _encode_mp4(frames: Iterable[np.ndarray], path: Path, fps: int, cancel: Cancel) -> int:
    """Feed the frames to ffmpeg; how many there were."""
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise VideoError("there are no frames")
    if first.ndim != 3 or first.shape[2] != 3 or first.dtype != np.uint8:
        raise VideoError(f"frames must be uint8 [H, W, 3], these are {first.dtype} {list(first.shape)}")
    height, width, _ = first.shape
    zoom = max(1, -(-SMALLEST_HEIGHT // height))
    # An even size is all that yuv420p can have: pad by a row or column where needed.
    enlarge = f"scale=iw*{zoom}:ih*{zoom}:flags=neighbor,pad=ceil(iw/2)*2:ceil(ih/2)*2"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    count = 0

    def feed(pipe: IO[bytes]) -> None:
        nonlocal count
        frame: np.ndarray | None = first
        while frame is not None and not cancel.cancelled:
            if frame.shape != first.shape or frame.dtype != first.dtype:
                raise VideoError(f"frame {count} is {list(frame.shape)}, those before were {list(first.shape)}")
            pipe.write(np.ascontiguousarray(frame).data)
            count += 1
            frame = next(frames, None)

    _run([*source, "-vf", enlarge, *MP4_OPTIONS, path], cancel, feed)
    return count


def _run(arguments: list[str | Path], cancel: Cancel, feed: Callable[[IO[bytes]], None] | None = None) -> None:
    """Run ffmpeg on one thread, in a process group of its own: a Ctrl-C in the terminal is for us, not for it."""
    command = [
        _ffmpeg(),
        "-hide_banner",
        "-loglevel",
        "error",
        "-nostdin",
        "-y",
        "-threads",
        "1",
        *[str(argument) for argument in arguments],
    ]
    stdin = subprocess.PIPE if feed else subprocess.DEVNULL
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=errors, process_group=0)
        with cancel.watching(process):
            try:
                if feed and process.stdin is not None:
                    with contextlib.suppress(BrokenPipeError):  # ffmpeg died: it says below why
                        feed(process.stdin)
                        process.stdin.close()
                process.wait()
            finally:
                process.kill()  # does nothing where it has ended
                process.wait()
                if process.stdin is not None:
                    with contextlib.suppress(BrokenPipeError):
                        process.stdin.close()
        if cancel.cancelled:
            raise VideoError("the video was given up")
        if process.returncode != 0:
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip().splitlines()
            raise VideoError(f"ffmpeg failed: {words[-1] if words else f'exit code {process.returncode}'}")


def _ffmpeg() -> str:
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise VideoError("videos need ffmpeg: install the package imageio-ffmpeg") from error


class VideoWorker:
    """Encodes one video at a time in a thread of its own; the work is ffmpeg's, in its own process.

    `submit` takes the frames in that thread: they must share nothing with the training. `record` takes them in the
    caller's, as a rollout of the live network wants it.

    Args:
        on_done: called in the worker's thread with each finished `Video`; by default it is logged.
    """

    def __init__(self, on_done: Callable[[Video], None] | None = None) -> None:
        self.on_done = on_done or (lambda video: logger.info("video %s", video))
        self._jobs: queue.Queue[tuple[Iterable[np.ndarray], Path] | None] = queue.Queue()
        self._cancel = Cancel()
        self._busy = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a video is being made."""
        return self._busy.is_set()

    def submit(self, frames: Iterable[np.ndarray], path_stem: Path) -> bool:
        """Begin a video, unless one is still being made: then this one is left out, which is logged."""
        if self.busy:
            logger.warning("video %s is left out: the one before is not finished", path_stem.name)
            return False
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="video", daemon=True)
            self._thread.start()
        self._cancel = Cancel()
        self._busy.set()
        self._jobs.put((frames, path_stem))
        return True

    def record(self, frames: Iterable[np.ndarray], path_stem: Path) -> bool:
        """Make the frames in this thread while they are encoded in the worker's; a few are in memory at a time.

        Args:
            frames: not begun at all while another video is being made, and not finished where the encoder fails.

        Returns:
            Whether all frames were handed over; the end of the encoding is not waited for.

        Raises:
            Exception: whatever ``frames`` raises, and then there is no video.
        """
        waiting: queue.Queue[np.ndarray | None] = queue.Queue(WAITING_FRAMES)
        if not self.submit(_until_none(waiting), path_stem):
            return False
        try:
            whole = all(self._hand_over(frame, waiting) for frame in frames)
        except BaseException:
            self._cancel()
            raise
        finally:
            closed = self._hand_over(None, waiting)
        return whole and closed

    def _hand_over(self, frame: np.ndarray | None, waiting: queue.Queue[np.ndarray | None]) -> bool:
        """Put a frame, or the end, into the queue; not if nobody takes them any more."""
        end = time.monotonic() + PATIENCE
        while self.busy:
            try:
                waiting.put(frame, timeout=0.1)
            except queue.Full:
                if time.monotonic() > end:  # ffmpeg hangs
                    self._cancel()
                if self._cancel.cancelled:
                    return False
            else:
                return True
        return False

    def close(self, timeout: float = 10.0) -> None:
        """Let the video at hand finish within `timeout` seconds, else discard it. More than once does no harm."""
        if self._thread is None:
            return
        self._jobs.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._cancel()
            self._thread.join(5.0)
        self._thread = None

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            frames, stem = job
            try:
                self.on_done(write_video(frames, stem, cancel=self._cancel))
            except Exception as error:  # a video never stops a run, whatever its frames or its encoder do
                logger.warning("no video %s: %s", stem.name, error, exc_info=not isinstance(error, VideoError))
            finally:
                self._busy.clear()


def _until_none(waiting: queue.Queue[np.ndarray | None]) -> Iterator[np.ndarray]:
    while (frame := waiting.get()) is not None:
        yield frame
