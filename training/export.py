"""Write a trained policy as one file that plays without this repository: ONNX, or a program of torch.export.

    python -m training.export --run NAME --out policy.onnx
    python -m training.export --run NAME --out policy.pt2

A step takes `observation` (rows as the environments write them), `episode_start` and the memory, where there is one:
`state`, `history`. It gives what actions are drawn from (`logits`, or `mean` and `log_std`, or `q`), the likeliest
`action`, a `value`, and the memory to hand in next: `next_state`, `next_history`. All of it is told in the file's
metadata. Settings of the run can be given anew, --env.* above all: they say which texts the policy knows.
"""

import argparse
import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from policies.protocol import ActorCritic
from puffer_envs import registry as env_registry
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.layout import ObsLayout
from puffer_envs.contract.state_file import write_atomically
from training.common import texts
from training.common.exported import Exported, Traced, trace
from training.evaluate import add_run_flags, find_checkpoint, load_policy, load_settings
from training.run import cli
from training.run.config import RunConfig
from training.run.environments import by_single_frames
from training.run.preflight import UserError
from training.store import checkpoint

FORMAT = 1  # of the metadata
BATCH = "batch"  # name of the number of rows
METADATA = "metadata.json"  # of the extra files in a program
NEEDED = {".onnx": ("onnx", "onnxscript"), ".pt2": ()}  # ending -> packages that write it


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, or 2 for a mistake in the call."""
    parser = _parser()
    args, settings = parser.parse_known_args(sys.argv[1:] if argv is None else argv)
    try:
        check_out(args.out)
        folder = args.runs_dir / args.run
        config = load_settings(folder, settings, parser)
        traced, about = load(config, args.run, find_checkpoint(folder, args.checkpoint, config))
        write_atomically(args.out, (to_onnx if args.out.suffix == ".onnx" else to_program)(traced, about))
    except (UserError, checkpoint.CheckpointError, OSError) as error:
        return cli.fail(UserError(str(error)))
    print(f"{args.out}: {config.env}, step {about['step']:,} of run '{args.run}'")
    for title in ("inputs", "outputs"):
        for name, tensor in about[title].items():
            print(f"  {title[:-1]:<6} {name}: {tensor['dtype']} [{', '.join(f'{size}' for size in tensor['shape'])}]")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_run_flags(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="its ending says what: .onnx or .pt2")
    return parser


def check_out(path: Path) -> None:
    """Whether a file of this name can be written here."""
    if path.suffix not in NEEDED:
        raise UserError(f"--out ends in {' or '.join(NEEDED)}, not '{path.suffix}'")
    missing = [name for name in NEEDED[path.suffix] if find_spec(name) is None]
    if missing:
        raise UserError(f"a {path.suffix} file needs `pip install {' '.join(missing)}`; .pt2 needs nothing more")


# -- what is written -------------------------------------------------------------------------------------------------
def load(config: RunConfig, run: str, path: Path) -> tuple[Traced, dict[str, Any]]:
    """A checkpoint's policy as a program, and what is told of it."""
    policy, spec, step = load_policy(config, path)
    known: tuple[str, ...] = ()
    if isinstance(policy, ActorCritic) and policy.embedder:
        known = spec.texts
        try:
            policy = texts.read(policy, known)
        except ValueError as error:  # the embedder is not at hand
            raise UserError(str(error)) from error
    exported = Exported(policy, spec.layout, spec.action)
    traced = trace(exported)
    about = {
        "format": FORMAT,
        "version": _version(),
        "game": config.env,
        "run": run,
        "step": step,
        "algorithm": config.algo,
        "network": env_registry.resolve(config.env).network or "generic",
        "model_size": config.model_size,
        "settings": cli.plain(config.game),
        "observation": describe_layout(spec.layout),
        "action": describe_action(spec.action) | {"distribution": exported.distribution()} | held_for(config),
        "history": {"length": policy.history, "field": policy.history_field},
        "memory": {name: f"next_{name}" for name in exported.first_memory(1)},
        "inputs": described(traced.inputs),
        "outputs": described(traced.outputs),
        "texts": list(known),
    }
    return traced, about


def describe_layout(layout: ObsLayout) -> dict[str, Any]:
    """What lies where in a row: as `Field` has it."""
    return {"dtype": layout.dtype.name, "size": layout.size, "fields": [field._asdict() for field in layout]}


def describe_action(action: ActionSpec) -> dict[str, Any]:
    """What an action is: as `ActionSpec` has it."""
    low, high = (None if bound is None else bound.tolist() for bound in (action.low, action.high))
    told = {"kind": action.kind, "parts": action.parts, "shape": action.shape, "dtype": action.dtype.name}
    return told | {"low": low, "high": high}


def held_for(config: RunConfig) -> dict[str, int]:
    """``frames``: of the game that an action lasts, where a setting says so (`Game.frame_skip`)."""
    settings, frames = by_single_frames(config)
    return {"frames": frames} if settings else {}


def described(tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Dtype and extents of tensors by name; the number of rows is a word."""
    return {
        name: {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": [BATCH, *tensor.shape[1:]]}
        for name, tensor in tensors.items()
    }


def _version() -> str:
    try:
        return metadata.version("pufferswarm")
    except metadata.PackageNotFoundError:  # run from a folder that was never installed
        return ""


# -- files -----------------------------------------------------------------------------------------------------------
def to_program(traced: Traced, about: dict[str, Any]) -> bytes:
    """For `torch.export.load`; the metadata are an extra file."""
    file = io.BytesIO()
    torch.export.save(traced.program, file, extra_files={METADATA: json.dumps(about)})
    return file.getvalue()


def to_onnx(traced: Traced, about: dict[str, Any]) -> bytes:
    """An ONNX model; each of the metadata is a property, JSON but for those that are plain words."""
    with _silence():
        names = [*traced.inputs], [*traced.outputs]
        converted = torch.onnx.export(
            traced.program, dynamo=True, verbose=False, input_names=names[0], output_names=names[1]
        )
        assert converted is not None
        model = converted.model_proto
    traced_as = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for tensor in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for size in tensor.type.tensor_type.shape.dim:
            if size.dim_param:  # an expression, perhaps
                size.dim_param = size.dim_param.replace(traced_as, BATCH)
    model.producer_name, model.producer_version = "pufferswarm", about["version"]
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    return model.SerializeToString()


@contextmanager
def _silence() -> Iterator[None]:
    """Without what the exporter says of packages that nobody needs and of folding that it leaves to the runtime."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


if __name__ == "__main__":
    sys.exit(main())
