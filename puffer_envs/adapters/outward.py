"""The games for tools that speak Gymnasium or PettingZoo. Importing this module registers all of them::

    import gymnasium, puffer_envs.adapters.outward
    env = gymnasium.make("puffer_envs/PokemonRed-v0")
    envs = gymnasium.make_vec("puffer_envs/PokemonRed-v0", num_envs=8)

Observations are the packed rows of the game's `ObsLayout`; ``env.unwrapped.layout.unpack(row, "screen")`` names their
parts. Keys (`MultiBinary`) may come as floats from 0 to 1, too: those above one half are down. For speed use
`registry.make`: these views copy, and a single environment is stepped alone.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from pettingzoo import ParallelEnv

from puffer_envs import registry
from puffer_envs.contract.actions import ActionSpec
from puffer_envs.contract.vector_env import VectorEnv

_FPS = 15
_PRESSED = 0.5  # above which a key that is given as a float is down


def _keys(spec: ActionSpec, actions: Any) -> Any:
    """Keys that are floats, [..., *shape] from 0 to 1, as bools; all other actions as they are, for the door to judge.

    Raises:
        ValueError: a key is not between 0 and 1, or NaN.
    """
    if spec.kind != "multi_binary":
        return actions
    actions = np.asarray(actions)
    if actions.dtype.kind != "f":
        return actions
    if not ((actions >= 0) & (actions <= 1)).all():
        raise ValueError("keys that are given as floats must be between 0 and 1")
    return actions > _PRESSED


class SingleEnv(gymnasium.Env):
    """One environment: the step that ends an episode returns its last observation, `reset` the fresh one."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": _FPS}  # noqa: RUF012 - as Gymnasium has it

    def __init__(self, env: VectorEnv, render_mode: str | None = None) -> None:
        if env.num_agents != 1:
            raise ValueError(f"{env.spec.name} has {env.num_agents} agents: use parallel_env")
        self.env = env
        self.render_mode = render_mode
        self.layout = env.spec.layout
        self.observation_space = env.single_observation_space
        self.action_space = env.spec.action_space
        self._fresh = False  # the environment has begun a new episode that nobody has seen

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        if seed is not None or not self._fresh:
            self.env.reset(seed)
        self._fresh = False
        return self.env.observations[0].copy(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        env = self.env
        _, rewards, terminals, truncations, infos = env.step(_keys(env.spec.action, np.asarray(action)[None]))
        self._fresh = bool(terminals[0] or truncations[0])
        rows = env.final_observations if self._fresh else env.observations
        info = infos[0] if infos else {}
        return rows[0].copy(), float(rewards[0]), bool(terminals[0]), bool(truncations[0]), info

    def render(self) -> np.ndarray | None:
        return self.env.render(0) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self.env.close()


class BatchEnv(gymnasium.vector.VectorEnv):
    """Many environments, reset in the step that ends them; last observations are in ``infos["final_obs"]``."""

    metadata = {  # noqa: RUF012
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": ["rgb_array"],
        "render_fps": _FPS,
    }

    def __init__(self, env: VectorEnv, render_mode: str | None = None) -> None:
        if env.spec.agents_per_env != 1:
            raise ValueError(f"{env.spec.name} has {env.spec.agents_per_env} agents: use parallel_env")
        self.env = env
        self.render_mode = render_mode
        self.layout = env.spec.layout
        self.num_envs = env.num_envs
        self.single_observation_space = env.single_observation_space
        self.single_action_space = env.spec.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        if isinstance(seed, list):
            raise ValueError("one seed decides all rows, each has its own stream: give an int")
        super().reset(seed=seed)
        self.env.reset(seed)
        return self.env.observations.copy(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        env = self.env
        env.step(_keys(env.spec.action, actions))
        infos: dict[str, Any] = dict(env.infos[0]) if env.infos else {}
        ended = env.terminals | env.truncations
        if ended.any():
            final = np.full(self.num_envs, None, object)
            for row in np.flatnonzero(ended):
                final[row] = env.final_observations[row].copy()
            infos |= {"final_obs": final, "_final_obs": ended}
        return (
            env.observations.copy(),
            env.rewards.copy(),
            env.terminals.copy(),
            env.truncations.copy(),
            infos,
        )

    def render(self) -> tuple[np.ndarray, ...] | None:
        if self.render_mode != "rgb_array":
            return None
        return tuple(self.env.render(i) for i in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        self.env.close()


class AgentsEnv(ParallelEnv):
    """One environment of several agents, for PettingZoo; agents end together."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": _FPS}  # noqa: RUF012

    def __init__(self, env: VectorEnv, render_mode: str | None = None) -> None:
        if env.num_envs != 1:
            raise ValueError(f"one environment, not {env.num_envs}, makes a ParallelEnv")
        self.env = env
        self.render_mode = render_mode
        self.metadata = self.metadata | {"name": f"{env.spec.name}_v0"}
        self.possible_agents = [f"agent_{i}" for i in range(env.num_agents)]
        self.agents: list[str] = []
        self._fresh = False

    def observation_space(self, agent: str) -> gymnasium.spaces.Space:
        return self.env.single_observation_space

    def action_space(self, agent: str) -> gymnasium.spaces.Space:
        return self.env.spec.action_space

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        if seed is not None or not self._fresh:
            self.env.reset(seed)
        self._fresh = False
        self.agents = list(self.possible_agents)
        return self._by_agent(self.env.observations), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> tuple[dict, dict, dict, dict, dict]:
        env = self.env
        rows = np.stack([np.asarray(actions[agent]) for agent in self.possible_agents])
        env.step(_keys(env.spec.action, rows))
        self._fresh = bool((env.terminals | env.truncations).any())
        info = env.infos[0] if env.infos else {}
        result = (
            self._by_agent(env.final_observations if self._fresh else env.observations),
            {agent: float(x) for agent, x in self._by_agent(env.rewards).items()},
            {agent: bool(x) for agent, x in self._by_agent(env.terminals).items()},
            {agent: bool(x) for agent, x in self._by_agent(env.truncations).items()},
            {agent: dict(info) for agent in self.agents},
        )
        if self._fresh:
            self.agents = []
        return result

    def _by_agent(self, values: np.ndarray) -> dict[str, Any]:
        return {agent: values[i].copy() for i, agent in enumerate(self.possible_agents)}

    def render(self) -> np.ndarray | None:
        return self.env.render(0) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self.env.close()


def make_single(name: str, render_mode: str | None = None, **overrides: Any) -> SingleEnv:
    """What ``gymnasium.make`` calls: one environment in this process."""
    return SingleEnv(registry.make(name, 1, **{"num_workers": 0} | overrides), render_mode)


def make_batch(name: str, num_envs: int, render_mode: str | None = None, **overrides: Any) -> BatchEnv:
    """What ``gymnasium.make_vec`` calls."""
    return BatchEnv(registry.make(name, num_envs, **overrides), render_mode)


def parallel_env(name: str, render_mode: str | None = None, **overrides: Any) -> AgentsEnv:
    """A game of several agents as PettingZoo has it."""
    return AgentsEnv(registry.make(name, 1, **{"num_workers": 0} | overrides), render_mode)


def environment_id(name: str) -> str:
    """``pokemon_red`` -> ``puffer_envs/PokemonRed-v0``."""
    return f"puffer_envs/{''.join(word.capitalize() for word in name.split('_'))}-v0"


def register_all() -> None:
    """Tell Gymnasium of all games; none is imported before it is made."""
    for name in registry.TABLE:
        if environment_id(name) not in gymnasium.registry:
            gymnasium.register(
                environment_id(name),
                entry_point="puffer_envs.adapters.outward:make_single",
                vector_entry_point="puffer_envs.adapters.outward:make_batch",
                kwargs={"name": name},
            )


register_all()
