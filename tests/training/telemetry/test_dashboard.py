"""The dashboard fits every terminal, survives what the run puts into it, and gives the terminal back."""

import contextlib
import fcntl
import io
import math
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from puffer_envs.contract.game import Column
from training.telemetry import panels, widgets
from training.telemetry.dashboard import RESTORE, Dashboard, resolve_mode
from training.telemetry.panels import MilestoneView, Screen
from training.telemetry.records import EpisodeRecord

EPISODE = EpisodeRecord(
    *(1342, 7, 642, 23.5, 31.8, 1.0, 0.5, 0.2, ("Starter",), {}, False),
    *("gym_1_20260101_120000", {"badges": 2, "map": "PewterCity"}, 0, 642),
)
FULL: dict[str, Any] = {
    "run_name": "big_run_01",
    "env": "pokemon_red",
    "device": "cpu",
    "algo": "dqn",
    "model": "large",
    "num_envs": 64,
    "step": 1_250_000,
    "total_steps": 5_000_000,
    "epsilon": 0.0871,
    "episodes_done": 1342,
    "sps": {"env": 3512.3, "learner": 1820.0, "total": 700.0},
    "time": {"env": 3.0, "act": 4.0, "learn": 10.0, "rest": 3.0},
    "means": {"length": 642.25, "r_env": 23.5, "r_total": 31.8},
    "reward": {"r_env": 0.0366, "r_rnd": 0.01, "r_total": 0.048, "reward/badge": 0.002, "reward/defeat": -0.0009},
    "losses": {"loss": 0.0123, "q": 4.3, "grad_norm": 1.83},
    "episodes": [EPISODE._replace(episode_id=1330 + i) for i in range(20)],
    "columns": (Column("badges", "bdg", ">3"), Column("map", "map", "<14")),
    "milestones": [MilestoneView(f"place {i}", 1 - i / 30, i > 20, 3 * i) for i in range(30)],
    "spawn_mix": {"new": 0.25, "early": 0.375, "mid": 0.225, "late": 0.15},
    "memory": {"process": 1.9e9, "workers": 3e8},
}
MESSAGES = [("message", "checkpoint saved"), ("warning", "worker 1 was replaced")]


def picture(data: dict[str, Any], width: int, height: int, **more: Any) -> list[str]:
    """The frame as lines of text."""
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    screen = Screen(data, MESSAGES, **more)
    lines = console.render_lines(panels.frame(screen, width, height), console.options.update(height=height))
    return ["".join(segment.text for segment in line) for line in lines]


# -- the picture -----------------------------------------------------------------------------------------------------
def test_everything_is_there_at_120_by_40() -> None:
    text = "\n".join(picture(FULL, 120, 40, history=[1.0, 2.0, 3.0], elapsed=892))
    for words in (
        *("big_run_01", "pokemon_red · dqn · large · cpu · 64 envs", "episodes 1,342", "epsilon 0.087"),
        *("1,250,000 / 5,000,000", "25.0%", "00:14:52 gone", "01:29:17 to go"),  # 3,750,000 / 700 = 5,357 s
        *("total           700 /s", "learner       1,820 /s", "learn █████", " 50%", " 20%"),
        *("new    25%", "late   15%", "process         1.8 GB"),
        *("length 642.2", "▁▅█", "r_env      ███·   0.0366", "-0.00090", "grad_norm", "1.830"),
        *("milestones 7/30, 9 alarms", "! place 21", "place 3        ██████▎ 0.90"),
        *("1349    7     642    23.50    31.80   2  PewterCity     gym_1_202", "   1342  "),
        *("checkpoint saved", "worker 1 was replaced"),
    ):
        assert words in text, words
    assert " 1341 " not in text  # the last 8 episodes


def test_each_game_has_its_own_columns_of_episodes() -> None:
    facts = {"text": "a castle with four tall towers", "won": True, "share": 0.98765, "left": None, "hidden": 1}
    columns = (Column("text", "shape", "<9"), Column("won", "won", "<3"), Column("share", "share", ">6"))
    columns += (Column("left", "left", ">4"), Column("hidden"))
    text = "\n".join(picture(FULL | {"episodes": [EPISODE._replace(facts=facts)], "columns": columns}, 120, 40))
    assert "r_total shape      won   share  left start" in text
    assert "31.80 a castle…  yes  0.9877       gym_1" in text
    assert "bdg" not in text
    without = "\n".join(picture(FULL | {"episodes": [EPISODE._replace(facts={})], "columns": ()}, 120, 40))
    assert "r_total start" in without
    assert "31.80 gym_1" in without


def test_the_same_facts_at_80_by_24() -> None:
    text = "\n".join(picture(FULL, 80, 24))
    for words in ("big_run_01", "25.0%", "to go", "700 /s", "episode r_env", "milestones 7/30 9!", "n25 e38 m22 l15"):
        assert words in text, words
    for words in ("PewterCity", "checkpoint saved", "worker 1 was replaced", "process"):
        assert words in text, words


@pytest.mark.parametrize("data", [{}, FULL], ids=["empty", "full"])
def test_every_size_is_filled_and_every_frame_closed(data: dict[str, Any]) -> None:
    for width in (1, 20, 59, 60, 79, 80, 99, 100, 133, 220):
        for height in (1, 5, 15, 16, 19, 20, 24, 31, 32, 39, 40, 70):
            lines = picture(data, width, height)
            assert len(lines) <= height
            assert all(len(line) <= width for line in lines), (width, height)
            text = "\n".join(lines)
            panels_expected = 0 if width < 60 or height < 16 else 9 if width >= 100 and height >= 32 else None
            corners = [text.count(corner) for corner in "╭╮╰╯"]
            assert len(set(corners)) == 1, (width, height, corners)
            if panels_expected is not None:
                assert corners[0] == panels_expected, (width, height)


def test_the_window_of_milestones_follows_the_frontier() -> None:
    views = [MilestoneView(f"m{i:02}", 0.95 if i < 25 else 0.2, False, 5) for i in range(30)]
    text = "\n".join(picture(FULL | {"milestones": views}, 80, 24))
    assert "m25" in text
    assert "m24" in text
    assert "m10" not in text


def test_what_nobody_has_tried_shows_no_figure() -> None:
    views = [MilestoneView("tried", 0.5, False, 2), MilestoneView("untried", 0.5, False, 0)]
    lines = picture(FULL | {"milestones": views}, 120, 40)
    tried, untried = (next(line for line in lines if f" {name} " in line) for name in ("tried", "untried"))
    assert "█" in tried
    assert "0.50" in tried
    assert "█" not in untried.split("untried")[1].split("│")[0]
    assert "0.50" not in untried
    assert " --" in untried


def test_odd_values_and_markup_do_no_harm() -> None:
    odd = FULL | {
        "run_name": "[red]x\x1b[2J",
        "total_steps": 0,
        "epsilon": None,
        "sps": {"total": math.nan, "env": 0.0},
        "time": {"env": 0.0},
        "means": {"r_env": math.nan, "r_total": math.inf},
        "reward": {"r_env": math.nan, "r_total": 0.0, "reward/x": -math.inf},
        "spawn_mix": {"new": 0.0},
        "milestones": [MilestoneView("名前\n", math.nan, True, 10**7)],
        "episodes": [EPISODE._replace(facts={"badges": None, "map": None}, savestate_tag=None, return_env=math.nan)],
    }
    for size in ((120, 40), (80, 24), (40, 8)):
        text = "\n".join(picture(odd, *size, history=[math.nan, 1.0]))
        assert "[red]x[2J" in text
        assert "\x1b" not in text


# -- its parts -----------------------------------------------------------------------------------------------------
def test_bars_and_curves() -> None:
    assert widgets.bar(0.5, 4, "").plain == "██··"
    assert widgets.bar(9 / 32, 4, "").plain == "█▏··"  # 9 of 32 eighths
    assert [widgets.bar(share, 2, "").plain for share in (-1, 0, 2, math.nan)] == ["··", "··", "██", "··"]
    assert widgets.sparkline([0, 7], 5) == "▁█"
    assert widgets.sparkline([3, 3], 5) == "▁▁"
    assert len(widgets.sparkline(range(100), 10)) == 10
    assert widgets.sparkline(range(100), 10)[-1] == "█"
    assert widgets.clock_text(90_061) == "1d 01:01:01"
    assert [widgets.number(x) for x in (0, 0.05, 0.002, 12345.6, 2e8, 1e-6, -9.99)] == [
        *("0.0000", "0.0500", "0.00200", "12346", "2.0e+08", "1.0e-06", "-9.990")
    ]
    assert panels.remaining({"sps": {"total": 0.0}}) is None
    assert panels.remaining({"sps": {"total": 2.0}, "step": 10, "total_steps": 20}) == 5.0


# -- modes ---------------------------------------------------------------------------------------------------------
class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def test_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert resolve_mode("auto", Terminal()) == "rich"
    assert resolve_mode("line", Terminal()) == "line"
    assert resolve_mode("plain", Terminal()) == "plain"
    ascii_only = Terminal()
    ascii_only.encoding = "ascii"  # type: ignore[misc]
    assert resolve_mode("auto", ascii_only) == "plain"
    assert resolve_mode("rich", ascii_only) == "line"
    for mode in ("auto", "rich", "line"):
        assert resolve_mode(mode, io.StringIO()) == "plain"  # type: ignore[arg-type]
    monkeypatch.setenv("TERM", "dumb")
    assert resolve_mode("auto", Terminal()) == "plain"


def test_plain_prints_every_line_and_no_escape(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    with Dashboard(FULL, "auto", out) as dashboard:
        for kind in ("episode", "log", "message", "warning"):
            dashboard.show(kind, f"a {kind}\x1b[2J")
    assert out.getvalue() == "a episode[2J\na log[2J\na message[2J\n"
    assert capsys.readouterr().err == "a warning[2J\n"


def test_line_keeps_messages_apart_from_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    with Dashboard(FULL, "line", out) as dashboard:
        dashboard.show("message", "checkpoint saved")
        print("a stray print")
        dashboard.show("episode", "unseen")
        time.sleep(0.6)
    text = out.getvalue()
    assert "\r\x1b[2Kcheckpoint saved\nbig_run_01 1,250,000/5,000,000 25.0%" in text
    assert "\r\x1b[2Ka stray print\n" in text
    assert "unseen" not in text
    assert text.count("\r") >= 5  # drawn again and again
    assert text.endswith("\n")
    assert all(len(line) < 81 for line in text.replace("\x1b[2K", "").split("\r") if "\n" not in line)


def test_a_run_that_changes_its_data_all_the_time_is_shown_all_the_time() -> None:
    data: dict[str, Any] = {}
    dashboard = Dashboard(data, "plain", io.StringIO())
    stop = threading.Event()

    def churn() -> None:
        i = 0
        while not stop.is_set():
            i += 1
            data[f"key {i % 999}"] = i
            data.pop(f"key {(i * 7) % 999}", None)
            data.update(FULL, milestones=FULL["milestones"][: i % 30])

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(50):
            dashboard._frame(120, 40)
    finally:
        stop.set()
        thread.join()
    data["sps"] = "nonsense"
    former = dashboard._last
    assert dashboard._frame(120, 40) is former
    assert dashboard._frame(80, 24) is former
    assert sum("stumbled" in text for _, text in dashboard.messages) == 1


# -- a real terminal -------------------------------------------------------------------------------------------------
RUN = """
import sys, time
sys.path.insert(0, "tests/training/telemetry")
from test_dashboard import FULL
from training.telemetry.dashboard import Dashboard
from training.run.signals import StopSignals

dashboard = Dashboard(FULL, "rich")
with StopSignals(dashboard.restore) as signals, dashboard:
    dashboard.show("message", "the last words")
    print("a stray print")
    while not signals.requested:
        time.sleep(0.01)
        if sys.argv[1] == "crash" and time.monotonic() - dashboard._began > 0.5:
            raise RuntimeError("the reason")
    while sys.argv[1] == "hang":
        time.sleep(0.01)
sys.exit(signals.exit_code)
"""


class Session:
    """A process in a pseudo-terminal, and all that it drew."""

    def __init__(self, mode: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(120, 40)
        env = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": ".", "PYTHONIOENCODING": "utf-8"}
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        root = Path(__file__).parents[3]
        self.run = subprocess.Popen([sys.executable, "-c", RUN, mode], env=env, cwd=root, **streams)  # type: ignore[call-overload]
        os.close(slave)
        self.drawn = b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 1 << 16):
                self.drawn += data

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def wait_for(self, words: str, since: int = 0) -> None:
        end = time.monotonic() + 15
        while words.encode() not in self.drawn[since:]:
            assert time.monotonic() < end, f"'{words}' was not drawn"
            time.sleep(0.01)

    def finish(self) -> str:
        self.run.wait(10)
        self.reader.join(5)
        return self.drawn.decode()


@pytest.fixture
def sessions() -> Iterator[list[Session]]:
    begun: list[Session] = []
    yield begun
    for session in begun:
        session.run.kill()
        session.run.wait()
        os.close(session.master)


def test_a_live_screen_draws_resizes_and_gives_the_terminal_back(sessions: list[Session]) -> None:
    session = Session("run")
    sessions.append(session)
    session.wait_for("milestones 7/30, 9 alarms")
    session.wait_for("a stray print")
    begin = len(session.drawn)
    session.resize(80, 24)
    session.wait_for("milestones 7/30 9!", begin)
    session.run.send_signal(signal.SIGTERM)
    text = session.finish()
    assert session.run.returncode == 143
    assert text.count("\x1b[?1049h") == text.count("\x1b[?1049l") == 1
    after = text.split("\x1b[?1049l")[1]
    assert "\x1b[?25h" in text[text.rindex("\x1b[?25l") :]  # the cursor is shown again
    assert "the last words" in after
    assert "big_run_01 1,250,000/5,000,000" in after


def test_a_crash_shows_its_reason_on_a_restored_terminal(sessions: list[Session]) -> None:
    session = Session("crash")
    sessions.append(session)
    text = session.finish()
    assert session.run.returncode == 1
    assert "RuntimeError: the reason" in text.split("\x1b[?1049l")[1]


def test_the_second_signal_leaves_a_usable_terminal(sessions: list[Session]) -> None:
    session = Session("hang")
    sessions.append(session)
    session.wait_for("milestones")
    session.run.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert session.run.poll() is None
    for _ in range(20):  # a busy machine may hand over the first so late that the next counts as its echo
        session.run.send_signal(signal.SIGINT)
        time.sleep(0.3)
        if session.run.poll() is not None:
            break
    text = session.finish()
    assert session.run.returncode == 130
    assert text.encode().count(RESTORE) == 1
