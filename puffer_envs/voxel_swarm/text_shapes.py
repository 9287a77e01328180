"""``python -m puffer_envs.voxel_swarm.text_shapes "a small castle"``: ask Claude for shapes and add them to a file.

Training reads the file; the built-in library needs neither this command nor a network. An answer is untrusted: it is
refused, or with ``--mend`` changed and the changes told, but never silently put right.

Exit codes: 0 every shape is in the file, 2 one is not (each failure is one sentence).
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, with_config
from typing_extensions import TypedDict

from puffer_envs.contract.state_file import write_atomically
from puffer_envs.kit.process import cache_home
from puffer_envs.voxel_swarm.shapes import (
    Shape,
    ShapeError,
    check_grid,
    check_voxels,
    save_shapes,
    sizes_of_pieces,
    to_array,
)

MODEL = "claude-haiku-5-5"  # small and fast
KEY_VARIABLE = "ANTHROPIC_API_KEY"
TIMEOUT_SECONDS = 120.0  # of one try; the SDK tries three times
MAX_TOKENS = 16_000  # of an answer: room for MOST_VOXELS; the SDK wants streaming from 21,334 on
MOST_VOXELS = 900  # that a shape is asked to have: one costs about 14 tokens
LONGEST_SENTENCE = 300  # characters of a stranger's words that are passed on

RULES = """\
You design shapes made of unit cubes, voxels, which a swarm of small robots then builds.

Voxels have whole coordinates from 0 to {last}. x and z lie along the ground, y points up, y=0 is the ground.
- The lowest voxels lie at y=0.
- The shape is one piece: each voxel shares a whole face with another one; edges and corners do not join.
- At most {most} voxels. Large bodies such as houses are hollow.
- The shape stands in the middle of the ground, uses the room there is, and is recognised from outside.
- "pyramid N" has N stepped levels, "wall WxH" is W wide and H high.
List the voxels layer by layer from the ground up."""

OK, FAILED = 0, 2


@with_config(ConfigDict(strict=True))  # 2.0, "2" and true are no coordinates
class Voxel(TypedDict):  # not a model: a million of those take seconds to make
    x: int
    y: int
    z: int


class Answer(BaseModel):
    """What the model is asked to fill in."""

    voxels: list[Voxel]


class AskError(Exception):
    """There is no answer; the message is one sentence for the person who asked."""


# -- the command -------------------------------------------------------------------------------------------------
def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    if (arguments.prompt is None) == (arguments.prompts is None):
        parser.error("give one prompt, or a file of them with --prompts")
    try:
        check_grid(arguments.grid)
        prompts = [arguments.prompt] if arguments.prompts is None else _read_prompts(arguments.prompts)
    except ShapeError as error:
        return _complain(str(error))
    failed = [prompt for prompt in prompts if not _add_shape(prompt, arguments)]
    if failed and len(prompts) > 1:
        return _complain(f"{len(failed)} of {len(prompts)} prompts failed: {', '.join(map(repr, failed))}")
    return FAILED if failed else OK


def _parser() -> argparse.ArgumentParser:
    text = "Ask Claude for shapes and add them to a file of shapes that training can build."
    parser = argparse.ArgumentParser(prog="python -m puffer_envs.voxel_swarm.text_shapes", description=text)
    parser.add_argument("prompt", nargs="?", help='what to build, e.g. "a small castle with four towers"')
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="ask for each line of a text file instead")
    parser.add_argument("--grid", type=int, default=10, help="cells along each side, 4 to 256; default: 10")
    parser.add_argument("--out", type=Path, default=Path("shapes.jsonl"), help="file to add to; default: shapes.jsonl")
    parser.add_argument("--mend", action="store_true", help="mend what is no shape, and say what was changed")
    parser.add_argument("--model", default=MODEL, help=f"default: {MODEL}")
    default = cache_home() / "text_shapes"
    parser.add_argument("--cache-dir", type=Path, default=default, help="answers that were given; default: %(default)s")
    parser.add_argument("--base-url", help="of the API; default: $ANTHROPIC_BASE_URL or Anthropic's")
    return parser


def _read_prompts(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ShapeError(f"cannot read the prompts of {path} ({error})") from error
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise ShapeError(f"{path} has no prompt; write one on each line")
    return prompts


def _add_shape(prompt: str, arguments: argparse.Namespace) -> bool:
    """Add the shape of one prompt to the file; False, with a sentence to the person, where that fails."""
    try:
        shape, changes = _make(prompt, arguments)
        is_new = save_shapes(arguments.out, [shape], append=True)
    except (AskError, ShapeError) as error:
        _complain(f"{prompt!r}: {error}")
        return False
    for change in changes:
        print(f"{prompt!r}: mended: {change}")
    where = "added to" if is_new else "is already in"
    print(f"{prompt!r}: {len(shape.voxels)} voxels in a grid of {shape.grid}, {where} {arguments.out}")
    return True


def _make(prompt: str, arguments: argparse.Namespace) -> tuple[Shape, list[str]]:
    """The shape of a prompt, and what was changed to make it one."""
    if not prompt.strip() or not prompt.isprintable():
        raise AskError("a prompt is one line of printable characters")
    grid, usable = arguments.grid, _mend if arguments.mend else _as_it_is
    file = _cache_file(arguments.cache_dir, arguments.model, prompt, grid)
    try:
        voxels, changes = usable(_read_cache(file), grid)
    except ShapeError:  # nothing there, or an answer that was refused before: ask anew
        answer = _ask(prompt, grid, arguments.model, arguments.base_url)
        _write_cache(file, arguments.model, prompt, grid, answer)
        voxels, changes = usable(answer, grid)
    return Shape(prompt, "", grid, voxels), changes


def _complain(sentence: str) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return FAILED


# -- what to do with an answer -----------------------------------------------------------------------------------
def _as_it_is(voxels: list[Voxel], grid: int) -> tuple[np.ndarray, list[str]]:
    try:
        return check_voxels(voxels, grid), []
    except ShapeError as error:
        raise ShapeError(f"the answer is no shape: {error}; ask again, or have it mended with --mend") from error


def _mend(voxels: list[Voxel], grid: int) -> tuple[np.ndarray, list[str]]:
    """An answer made into one piece on the ground, int16 [V, 3], and what was changed.

    Raises:
        ShapeError: too many voxels, or none is left.
    """
    array, changes = to_array(voxels, grid), []
    shift = np.array([_shift(low, high, grid) for low, high in zip(array.min(axis=0), array.max(axis=0), strict=True)])
    if shift.any():
        array, changes = array + shift, [f"moved by {shift.tolist()} into the grid"]
    inside = ((array >= 0) & (array < grid)).all(axis=1)
    if not inside.all():
        array = array[inside]
        changes.append(f"dropped {np.count_nonzero(~inside)} voxels outside the grid")
    if len(array) == 0:
        raise ShapeError("the answer cannot be mended: none of its voxels lies inside the grid")
    array = _largest_piece(array, grid, changes)
    if array[:, 1].min() > 0:
        changes.append(f"moved down by {array[:, 1].min()} to the ground")
        array = array - [0, array[:, 1].min(), 0]
    return check_voxels(array, grid), changes


def _shift(low: int, high: int, grid: int) -> int:
    """By how much to move a shape along an axis to get it into the grid; 0 if it is inside, or too long."""
    if high - low >= grid:
        return 0
    return -low if low < 0 else min(0, grid - 1 - high)


def _largest_piece(array: np.ndarray, grid: int, changes: list[str]) -> np.ndarray:
    filled = np.zeros((grid, grid, grid), np.bool_)
    filled[tuple(array.T)] = True
    labels, sizes = sizes_of_pieces(filled)
    if len(sizes) == 1:
        return array
    kept = labels[tuple(array.T)] == 1 + sizes.argmax()
    changes.append(f"dropped {sizes.sum() - sizes.max()} voxels of {len(sizes) - 1} smaller pieces")
    return array[kept]


# -- answers that were given -------------------------------------------------------------------------------------
def _cache_file(folder: Path, model: str, prompt: str, grid: int) -> Path:
    name = hashlib.sha256(json.dumps([model, prompt, grid]).encode()).hexdigest()
    return folder / f"{name[:32]}.json"


def _read_cache(file: Path) -> Any:
    """The voxels of an earlier answer; an empty list if there is none, or what is there cannot be read."""
    try:
        return json.loads(file.read_bytes())["voxels"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _write_cache(file: Path, model: str, prompt: str, grid: int, voxels: list[Voxel]) -> None:
    entry = {"model": model, "prompt": prompt, "grid": grid, "voxels": voxels}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps(entry).encode())
    except OSError as error:  # the answer is worth having all the same
        print(f"warning: the answer could not be kept in {file.parent} ({error.strerror})", file=sys.stderr)


# -- asking ------------------------------------------------------------------------------------------------------
def _ask(prompt: str, grid: int, model: str, base_url: str | None) -> list[Voxel]:
    """What the model answers: whole numbers, of which nothing more is known.

    Raises:
        AskError: no key, no connection, no answer, or one that is not what was asked for.
    """
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        raise AskError(f"there is no key for the API: set the environment variable {KEY_VARIABLE}")
    import anthropic

    schema = anthropic.transform_schema(Answer)
    try:
        client = anthropic.Anthropic(api_key=key, base_url=base_url, timeout=TIMEOUT_SECONDS)
        message = client.messages.create(
            model=model,
            max_tokens=MAX_TOKENS,
            system=RULES.format(last=grid - 1, most=min(MOST_VOXELS, grid**3)),
            messages=[{"role": "user", "content": prompt}],
            # Not messages.parse: of a refusal or half an answer it says only that this is no JSON.
            output_config={"format": {"type": "json_schema", "schema": schema}},
        )
    except Exception as error:  # also what the SDK lets through of json, of its HTTP library and of a strange key
        raise AskError(_explain(error, model)) from error
    return _voxels_of(_text_of(message))


def _explain(error: Exception, model: str) -> str:
    import anthropic

    if isinstance(error, anthropic.APITimeoutError):
        return f"the API did not answer within {TIMEOUT_SECONDS:g} s, nor when it was asked again; try later"
    if isinstance(error, anthropic.APIConnectionError):
        return f"the API cannot be reached ({_quote(error.__cause__ or error)}); check the network and --base-url"
    if not isinstance(error, anthropic.APIStatusError):
        return f"the API could not be asked, or its answer not be read ({type(error).__name__}: {_quote(error)})"
    hints = {
        401: f"check {KEY_VARIABLE}",
        403: f"check what {KEY_VARIABLE} may do",
        404: f"check --base-url, and whether there is a model '{model}'",
        429: "too many requests: wait a while",
    }
    hint = hints.get(error.status_code, "it is in trouble: try later" if error.status_code >= 500 else "see its words")
    return f"the API answered with error {error.status_code}: {hint} ({_quote(error.api_message or 'no more is said')})"


def _text_of(message: Any) -> str:
    """The text of an answer, of which the SDK has checked nothing: what is no JSON it hands on as it came."""
    content = getattr(message, "content", None)
    if not isinstance(content, list):
        raise AskError(f"that is no answer of the API; check --base-url ({_quote(message)})")
    reason = getattr(message, "stop_reason", None)
    if reason == "refusal":
        details = getattr(message, "stop_details", None)
        why = getattr(details, "explanation", None) or "it gave no reason"
        raise AskError(f"the model refused to answer ({_quote(why)}); put it in other words")
    if reason in ("max_tokens", "model_context_window_exceeded"):
        raise AskError("the answer was cut off, the shape has too many voxels; ask for it in a smaller --grid")
    return "".join(str(getattr(block, "text", "")) for block in content if getattr(block, "type", None) == "text")


def _voxels_of(text: str) -> list[Voxel]:
    try:
        answer = Answer.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise AskError(f"the answer is not the JSON that was asked for ({_quote(first['msg'])}); ask again") from error
    return answer.voxels


def _quote(words: object) -> str:
    """A stranger's words as one short line without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(words)).split())
    return line if len(line) <= LONGEST_SENTENCE else f"{line[:LONGEST_SENTENCE]}…"


if __name__ == "__main__":
    sys.exit(main())
