"""Who plays an evaluation: the network that acts in the run, with the memory that it has there."""

import pytest
import torch

from policies import registry as policy_registry
from puffer_envs import registry
from training import evaluate
from training.run import cli
from training.store import checkpoint

CPU = torch.device("cpu")


@pytest.mark.parametrize("preset", ["document", ""])
def test_a_q_learner_is_evaluated_with_the_network_that_acts(tmp_path, preset):
    """With a target that is copied each 4,000 updates that is another one than the target, for a long time."""
    config = cli.parse(["--model-size", "slim", "--preset", preset, "--run-name", "one"])
    spec = registry.resolve(config.env).spec(config.game)
    networks = {}
    for seed, name in enumerate(("policy", "target", "acting")):
        torch.manual_seed(seed)
        networks[name] = policy_registry.build(config.env, spec.layout, spec.action, config.policy).state_dict()
    path = checkpoint.save(tmp_path, 1, {"learner": {"algorithm": networks}})
    env = registry.make(config.env, 1, num_workers=0)
    player = evaluate.load_player(config, path, True, CPU)(env, 0)
    env.close()
    for name, tensor in player.policy.state_dict().items():
        assert torch.equal(tensor, networks["acting"][name]), name
