"""The small parts that panels are made of: bars, curves, figures, lines of two sides."""

import math
from collections.abc import Sequence

from rich import box
from rich.panel import Panel
from rich.text import Text

from training.telemetry.records import clean_text

EIGHTHS = " ▏▎▍▌▋▊▉█"
SPARKS = "▁▂▃▄▅▆▇█"


def clock_text(seconds: float) -> str:
    """``1d 02:03:04``, without days where there are none."""
    days, rest = divmod(int(seconds), 86_400)
    return (f"{days}d " if days else "") + f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


def number(value: float) -> str:
    """A figure in at most eight characters."""
    size = abs(value)
    if not math.isfinite(value):
        return str(value)
    if size >= 1e7 or 0 < size < 1e-4:
        return f"{value:.1e}"
    if size < 10:
        return f"{value:.5f}" if 0 < size < 0.01 else f"{value:.4f}" if size < 1 else f"{value:.3f}"
    return f"{value:.1f}" if size < 1e4 else f"{value:.0f}"


def bar(share: float, width: int, style: str) -> Text:
    """A horizontal bar, exact to an eighth of a character, on a thin track."""
    width = max(width, 0)
    eighths = round(min(max(share if math.isfinite(share) else 0.0, 0.0), 1.0) * width * 8)
    text = "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
    return Text.assemble((text, style), ("·" * (width - len(text)), "bright_black"))


def sparkline(values: Sequence[float], width: int) -> str:
    """The last values as a curve, `width` characters at the most."""
    values = [value for value in values if math.isfinite(value)]
    if len(values) > width > 0:
        values = [values[i * (len(values) - 1) // max(width - 1, 1)] for i in range(width)]
    low, high = min(values, default=0.0), max(values, default=0.0)
    scale = (len(SPARKS) - 1) / (high - low) if high > low else 0.0
    return "".join(SPARKS[round((value - low) * scale)] for value in values)


def figure(name: str, value: str, width: int, style: str = "") -> Text:
    """A name at the left and its value at the right."""
    return sides(Text(cut(name, max(width - len(value) - 1, 0)), "dim"), Text(value, style), width)


def sides(left: Text, right: Text, width: int) -> Text:
    """Left and right aligned on one line; the left is cut where both don't fit."""
    room = max(width - right.cell_len - 1, 0)
    left = crop(left, room)
    return Text.assemble(left, " " * (width - left.cell_len - right.cell_len), right)


def crop(line: Text, width: int) -> Text:
    """Cut a line in place where it is too long."""
    line.truncate(max(width, 0), overflow="ellipsis")
    return line


def cut(text: str, width: int) -> str:
    """The same for a string."""
    text = clean_text(text)
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…" * (width > 0)


def short_count(count: int) -> str:
    """A count in at most five characters."""
    return str(count) if count < 10_000 else f"{count // 1000}k"


def fit(lines: list[Text], height: int) -> list[Text]:
    """As many lines as there is room for, and how many there are besides."""
    if len(lines) <= height:
        return lines
    return [*lines[: max(height - 1, 0)], Text(f"… and {len(lines) - height + 1} more", "dim")]


def panel(title: str, lines: list[Text], subtitle: Text | None = None, style: str = "bold") -> Panel:
    """A titled frame around lines that are already cut to its width."""
    body = Text("\n", no_wrap=True, overflow="crop").join(lines)
    return Panel(
        body,
        title=Text(clean_text(title), style),
        title_align="left",
        subtitle=subtitle or None,
        subtitle_align="right",
        border_style="bright_black",
        box=box.ROUNDED,
    )
