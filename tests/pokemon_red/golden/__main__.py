"""Record the golden trace anew."""

import json
import sys

from tests.pokemon_red.golden import GOLDEN, record

IDLE_FRAMES = 14

trace = record(int(sys.argv[1]) if len(sys.argv) > 1 else IDLE_FRAMES)
rows = ",\n".join(f"  {json.dumps(row)}" for row in trace.checkpoints)
head = {key: value for key, value in trace._asdict().items() if key != "checkpoints"}
GOLDEN.write_text(json.dumps(head, indent=1)[:-2] + f',\n "checkpoints": [\n{rows}\n ]\n}}\n', encoding="ascii")
print(f"{len(trace.keys)} decisions, {len(trace.checkpoints)} checkpoints")
