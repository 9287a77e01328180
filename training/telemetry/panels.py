"""What the dashboard shows, as pure functions: the run's dict in, one screen of rich text out.

Three sizes of screen: full from 100 x 32 characters on, compact down to 60 x 16, below that a few lines.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple, TypedDict

from rich.console import RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.text import Text

from puffer_envs.contract.game import Column
from training.telemetry.records import EpisodeRecord, clean_text, size_text
from training.telemetry.widgets import (
    bar,
    clock_text,
    crop,
    cut,
    figure,
    fit,
    number,
    panel,
    short_count,
    sides,
    sparkline,
)

TIME_STYLES = {"env": "cyan", "act": "green", "learn": "magenta", "rest": "bright_black"}
SPAWN_STYLES = {"new": "white", "early": "cyan", "mid": "blue", "late": "magenta"}
EPISODES, MESSAGES = 8, 200  # how many of the newest are shown, are kept


class MilestoneView(NamedTuple):
    """A milestone's posterior, as shown."""

    name: str
    theta: float  # posterior mean
    alarm: bool
    tries: int  # episodes that could have reached it


class Data(TypedDict, total=False):
    """The dict that the run fills and the dashboard reads. Every key may be missing.

    Replace values instead of editing them: they are read from another thread at any moment.
    """

    run_name: str
    env: str
    device: str
    algo: str
    model: str
    num_envs: int
    step: int
    total_steps: int
    epsilon: float | None
    episodes_done: int
    sps: Mapping[str, float]  # env, learner, total: decisions a second
    time: Mapping[str, float]  # seconds or shares of env, act, learn, rest
    means: Mapping[str, float]  # of recent episodes: length, r_env, r_total
    reward: Mapping[str, float]  # r_env, r_rnd, r_novel, r_bayes, r_total and the game's terms, a step
    losses: Mapping[str, float]
    episodes: Sequence[EpisodeRecord]  # newest last
    columns: Sequence[Column]  # the game's own of the episodes
    milestones: Sequence[MilestoneView]
    spawn_mix: Mapping[str, float]  # new, early, mid, late -> share
    memory: Mapping[str, float]  # what -> bytes


class Screen(NamedTuple):
    """What a frame is drawn from."""

    data: Mapping[str, Any]
    messages: Sequence[tuple[str, str]] = ()  # (kind, text), newest last
    history: Sequence[float] = ()  # recent mean return over time
    elapsed: float = 0.0  # seconds


def frame(screen: Screen, width: int, height: int) -> RenderableType:
    """The whole dashboard for a terminal of this size."""
    if width >= 100 and height >= 32:
        return _full(screen, width, height)
    if width >= 60 and height >= 16:
        return _compact(screen, width, height)
    return _tiny(screen, width, height)


# -- the three layouts -----------------------------------------------------------------------------------------------
def _full(screen: Screen, width: int, height: int) -> Layout:
    data = screen.data
    # The columns want 18 lines, then the episodes and messages grow, then all else goes to the columns.
    episodes_height = min(EPISODES + 3, height - 26)
    messages_height = min(max(height - 22 - episodes_height, 4), 12)
    upper = height - 4 - episodes_height - messages_height
    right, left = width * 33 // 100, max(26, width * 22 // 100)
    middle = width - right - left
    losses_height = min((len(data.get("losses", ())) + 1) // 2 + 2, max(upper // 2, 4))
    speed = Layout(_speed(data, left - 4), size=9)
    spawn = Layout(_spawn(data, left - 4), size=5)
    memory = Layout(_memory(data, left - 4))
    reward = Layout(_reward(screen, middle - 4, upper - losses_height - 2))
    losses = Layout(_losses(data, middle - 4, losses_height - 2), size=losses_height)
    columns = _row(_column(speed, spawn, memory, size=left), _column(reward, losses), size=upper)
    episodes = Layout(_episodes(data, left + middle - 4, episodes_height - 3), size=episodes_height)
    milestones = Layout(_milestones(data, right - 4, height - 4 - messages_height - 2), size=right)
    body = _row(_column(columns, episodes), milestones)
    messages = Layout(_messages(screen, width - 4, messages_height - 2), size=messages_height)
    return _column(Layout(_header(screen, width - 4), size=4), body, messages)


def _compact(screen: Screen, width: int, height: int) -> Layout:
    data = screen.data
    messages_height = 4 if height >= 20 else 3
    rest = height - 4 - messages_height
    episodes_height = max(rest - 10, 0) if rest >= 14 else 0
    body_height = rest - episodes_height
    third = width // 3
    columns = _row(
        Layout(_speed(data, third - 4, memory=True), size=third),
        Layout(_reward(screen, third - 4, body_height - 2), size=third),
        Layout(_milestones(data, width - 2 * third - 4, body_height - 2, spawn=True)),
    )
    parts = [Layout(_header(screen, width - 4), size=4), columns]
    if episodes_height:
        parts.append(Layout(_episodes(data, width - 4, episodes_height - 3), size=episodes_height))
    parts.append(Layout(_messages(screen, width - 4, messages_height - 2), size=messages_height))
    return _column(*parts)


def _tiny(screen: Screen, width: int, height: int) -> Text:
    lines = [status_line(screen), *(text for _, text in list(screen.messages)[-(height - 1) :])]
    return Text("\n".join(clean_text(line)[:width] for line in lines[:height]), no_wrap=True, overflow="crop")


def _row(*parts: Layout, size: int | None = None) -> Layout:
    layout = Layout(size=size)
    layout.split_row(*parts)
    return layout


def _column(*parts: Layout, size: int | None = None) -> Layout:
    layout = Layout(size=size)
    layout.split_column(*parts)
    return layout


# -- the panels ----------------------------------------------------------------------------------------------------
def _header(screen: Screen, width: int) -> Panel:
    data = screen.data
    step, total = data.get("step", 0), max(data.get("total_steps", 0), 1)
    about = [data.get("env"), data.get("algo"), data.get("model"), data.get("device")]
    about.append(f"{data['num_envs']} envs" if "num_envs" in data else None)
    names = Text(" · ".join(clean_text(str(part)) for part in about if part), style="cyan")
    figures = Text.assemble(("episodes ", "dim"), f"{data.get('episodes_done', 0):,}")
    if data.get("epsilon") is not None:
        figures.append_text(Text.assemble(("   epsilon ", "dim"), f"{data['epsilon']:.3f}"))
    done = f"{step:,}"
    goal = f" / {total:,} "
    eta = remaining(data)
    clock = f"  {clock_text(eta) if eta is not None else '?'} to go"
    if width >= 70:
        clock = f"  {clock_text(screen.elapsed)} gone,{clock[1:]}"
    percent = f" {100 * min(step / total, 1):5.1f}%"
    length = max(width - len(done + goal + percent + clock), 4)
    progress = Text.assemble((done, "bold"), (goal, "dim"), bar(step / total, length, "green"), percent, (clock, "dim"))
    return panel(data.get("run_name", "run"), [sides(names, figures, width), progress], style="bold green")


def _speed(data: Mapping[str, Any], width: int, memory: bool = False) -> Panel:
    sps, seconds = data.get("sps", {}), data.get("time", {})
    lines = [
        figure(name, f"{sps[name]:,.0f} /s", width, "bold" if name == "total" else "")
        for name in ("total", "env", "learner")
        if name in sps
    ]
    whole = sum(seconds.get(name, 0.0) for name in TIME_STYLES) or 1.0
    for name, style in TIME_STYLES.items():
        if name in seconds:
            share = seconds[name] / whole
            lines.append(Text.assemble((f"{name:<6}", "dim"), bar(share, width - 11, style), f" {100 * share:3.0f}%"))
    if memory:
        lines += [figure(name, size_text(size), width) for name, size in list(data.get("memory", {}).items())[:1]]
    return panel("steps a second", lines)


def _spawn(data: Mapping[str, Any], width: int) -> Panel:
    mix = data.get("spawn_mix", {})
    stacked, legend, share = Text(), [Text(), Text()], 0.0
    for index, (tier, style) in enumerate(SPAWN_STYLES.items()):
        share += mix.get(tier, 0.0)
        stacked.append("█" * (round(min(share, 1.0) * width) - stacked.cell_len), style)
        if tier in mix:
            legend[index // 2].append(f"{tier:<6}", style).append(f"{100 * mix[tier]:>3.0f}%", "dim").append("  ")
    return panel("starts", [stacked, *legend])


def _memory(data: Mapping[str, Any], width: int) -> Panel:
    return panel("memory", [figure(name, size_text(size), width) for name, size in data.get("memory", {}).items()])


def _reward(screen: Screen, width: int, height: int) -> Panel:
    """Recent episodes, their curve, and what a step paid: the parts of r_total and the terms of r_env."""
    means, reward = screen.data.get("means", {}), screen.data.get("reward", {})
    parts = {name: value for name, value in reward.items() if "/" not in name}
    terms = {name.removeprefix("reward/"): value for name, value in reward.items() if "/" in name}
    if width < 40:  # no room for bars
        lines = [figure(f"episode {name}", number(value), width, "bold") for name, value in means.items()]
        lines += [figure(name, number(value), width) for name, value in (parts | terms).items()]
        return panel("reward", fit(lines, height))
    head = Text("episodes  ", "dim")
    for name, value in means.items():
        head.append(f"{name} ", "dim").append(f"{number(value)}  ", "bold")
    half = (width - 2) // 2
    pairs = zip_longest(_bars(parts, half, "cyan"), _bars(terms, width - 2 - half, "blue"), fillvalue=Text(" " * half))
    lines = [Text.assemble(left, "  ", right) for left, right in pairs]
    if height > len(lines) + 1:
        lines.insert(0, Text(sparkline(screen.history, width), "green"))
    return panel("reward", fit([crop(head, width), *lines], height))


def _bars(values: Mapping[str, float], width: int, style: str) -> list[Text]:
    """Name, bar relative to the largest, figure."""
    largest = max((abs(value) for value in values.values() if math.isfinite(value)), default=0.0)
    lines = []
    for name, value in values.items():
        share = abs(value) / largest if largest else 0.0
        line = Text.assemble((f"{cut(name, 10):<11}", "dim"), bar(share, width - 20, "red" if value < 0 else style))
        lines.append(line.append(f"{number(value):>9}"))
    return lines


def _losses(data: Mapping[str, Any], width: int, height: int) -> Panel:
    half = (width - 3) // 2
    lines = [figure(name, number(value), half) for name, value in data.get("losses", {}).items()]
    pairs = zip_longest(lines[::2], lines[1::2], fillvalue=Text())
    return panel("learning", fit([Text.assemble(left, "   ", right) for left, right in pairs], height))


def _episodes(data: Mapping[str, Any], width: int, height: int) -> Panel:
    mean = data.get("means", {}).get("r_total", math.inf)
    columns = [column for column in data.get("columns", ()) if column.align]
    titles = _own({column.name: column.title for column in columns}, columns)
    lines = [Text(f"{'ep':>7} {'env':>4} {'length':>7} {'r_env':>8} {'r_total':>8} {titles}start", "dim")]
    newest = list(data.get("episodes", ()))[-height:] if height > 0 else []
    for record in reversed(newest):
        line = Text(
            f"{record.episode_id:>7} {record.env_id:>4} {record.length_steps:>7} {_returned(record.return_env):>8} "
        )
        line.append(f"{_returned(record.return_total):>8}", "green" if record.return_total > mean else "")
        line.append(f" {_own(record.facts, columns)}")
        line.append(clean_text(record.savestate_tag or "new game"), "cyan" if record.savestate_tag else "dim")
        lines.append(line)
    return panel("episodes", [crop(line, width) for line in lines])


def _own(facts: Mapping[str, Any], columns: Sequence[Column]) -> str:
    """The game's own cells of an episode, a space behind them."""
    cells = (f"{cut(_shown(facts[c.name]), int(c.align[1:])):{c.align}}" for c in columns)
    return "  ".join(cells) + " " * bool(columns)


def _shown(fact: Any) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return "" if fact is None else number(fact) if isinstance(fact, float) else str(fact)


def _returned(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:.0f}"


def _milestones(data: Mapping[str, Any], width: int, height: int, spawn: bool = False) -> Panel:
    """The stretch of the milestones around the first that is not mastered."""
    views = list(data.get("milestones", ()))
    frontier = next((i for i, view in enumerate(views) if view.theta < 0.5), 0)
    first = max(0, min(frontier - height // 3, len(views) - height))
    tries_width = 6 if width >= 30 else 0
    name_width = min(18, max(7, (width - tries_width) // 2))
    length = max(width - name_width - tries_width - 8, 0)
    lines = []
    for view in views[first : first + height]:
        style = (
            "red" if view.alarm else "bright_black" if not view.tries else "green" if view.theta >= 0.8 else "yellow"
        )
        line = Text.assemble(("! ", "bold red") if view.alarm else "  ")
        line.append(f"{cut(view.name, name_width):<{name_width}} ", "" if view.tries else "dim")
        share, figure = (view.theta, f"{view.theta:.2f}") if view.tries else (0.0, "  --")
        line.append_text(bar(share, length, style)).append(f" {figure}", style if view.tries else "dim")
        lines.append(crop(line.append(f"{short_count(view.tries):>6}"[:tries_width], "dim"), width))
    alarms = sum(view.alarm for view in views)
    mastered = sum(view.theta >= 0.8 for view in views)
    title = f"milestones {mastered}/{len(views)}"
    title += (f", {alarms} alarms" if width >= 30 else f" {alarms}!") if alarms else ""
    mix = data.get("spawn_mix", {}) if spawn else {}
    shares = [Text(f"{tier[0]}{100 * share:.0f}", SPAWN_STYLES.get(tier, "")) for tier, share in mix.items()]
    return panel(title, lines, Text(" ").join(shares))


def _messages(screen: Screen, width: int, height: int) -> Panel:
    lines = []
    for kind, text in list(screen.messages)[-height:]:
        lines.append(crop(Text(clean_text(text), "yellow" if kind == "warning" else ""), width))
    return panel("messages", lines)


# -- parts of panels -----------------------------------------------------------------------------------------------
def status_line(screen: Screen) -> str:
    """The run in one line."""
    data = screen.data
    step, total, eta = data.get("step", 0), max(data.get("total_steps", 0), 1), remaining(data)
    cells = [f"{data.get('run_name', 'run')} {step:,}/{total:,} {100 * step / total:.1f}%"]
    if "total" in data.get("sps", {}):
        cells.append(f"{data['sps']['total']:,.0f}/s")
    cells.append(f"eta {clock_text(eta)}" if eta is not None else "eta ?")
    cells += [f"{name} {number(value)}" for name, value in data.get("means", {}).items()]
    views = data.get("milestones", ())
    if views:
        cells.append(f"milestones {sum(view.theta >= 0.8 for view in views)}/{len(views)}")
    return clean_text("  ".join(cells))


def remaining(data: Mapping[str, Any]) -> float | None:
    """Seconds to the end at the present speed; None while that is unknown."""
    speed = data.get("sps", {}).get("total", 0.0)
    if not speed > 0 or not math.isfinite(speed):
        return None
    return max(data.get("total_steps", 0) - data.get("step", 0), 0) / speed
