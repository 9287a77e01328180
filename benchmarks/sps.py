"""Steps a second: the environments beside what bounds them, acting, learning, and all of it together.

    python -m benchmarks.sps --env pokemon_red --json

Everything that is compared runs in one process tree in turns (A B B A ...), so that a machine whose speed drifts drifts
for both sides. One JSON object a line, a table without `--json`.
"""

import argparse
import json
import os
import platform
import sys
from typing import Any

import torch

from benchmarks import batched, dodge, emulated, territory
from benchmarks.fighter import speed as fighter
from puffer_envs import registry as env_registry
from puffer_envs.kit.process import usable_cores
from training.run import machine


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default=env_registry.DEFAULT, choices=sorted(env_registry.TABLE))
    parser.add_argument("--num-envs", type=int, default=None, help="default 64; 8 of the large maps, 1,024 of dodge")
    parser.add_argument("--num-workers", type=int, default=usable_cores(), help="of emulated games")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each part")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--torch-threads", type=int, default=max(1, min(usable_cores() // 2, 4)))
    parser.add_argument("--rom", default=None, help="a ROM of your own, for emulated games")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args()
    machine.prepare(args.torch_threads)
    if not args.json:
        print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
    if args.num_envs is None:
        args.num_envs = {"territory": 8, "dodge": 1024}.get(args.env, 64)
    of_their_own = {
        "dodge": dodge.measure,
        "platform_fighter": fighter.measure,
        "pokemon_red": emulated.measure,
        "territory": territory.measure,
    }
    for row in of_their_own.get(args.env, batched.measure)(args):
        print(json.dumps(row) if args.json else as_text(row), flush=True)


def as_text(row: dict[str, Any]) -> str:
    """A row for people."""
    name = f"{row['part']} {row.get('model_size', '')}".strip()
    ratio = f"   {row['ratio']:.3f} of {row['reference']}" if "ratio" in row else ""
    return f"{name:>14}  {row['sps']:>10,.0f} steps/s{ratio}"


if __name__ == "__main__":
    sys.exit(main())
