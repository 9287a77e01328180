"""The table of networks: name -> where it is. Modules load when they are asked for."""

from dataclasses import fields, replace
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from puffer_envs.contract.actions import ActionSpec
    from puffer_envs.contract.layout import ObsLayout

# name -> (module, class of each learner). The module also has PRESETS: model size -> frozen dataclass of the network's
# options.
TABLE: dict[str, tuple[str, dict[str, str]]] = {
    "platform_fighter": ("policies.platform_fighter", {"ppo": "PlatformFighterPolicy"}),
    "pokemon_red": ("policies.pokemon_red", {"dqn": "PokemonRedPolicy"}),
    "territory": ("policies.territory", {"ppo": "TerritoryPolicy"}),
    "voxel_swarm": ("policies.voxel_swarm", {"ppo": "VoxelSwarmPolicy"}),
    "generic": ("policies.generic", {"ppo": "GenericPolicy", "dqn": "GenericQ", "sac": "GenericSoft"}),
}
GENERIC = "generic"  # the network of games that have none of their own


def preset(name: str | None, model_size: str) -> Any:
    """Options of the network ``name`` (None: the generic one) at a preset size: a frozen dataclass.

    Raises:
        ValueError: for an unknown name or size; the message lists the valid ones.
    """
    name = name or GENERIC
    return _module(name).PRESETS[_known(f"model size of {name}", model_size, _module(name).PRESETS)]


def build(name: str | None, layout: "ObsLayout", action: "ActionSpec", config: Any, algo: str | None = None) -> Any:
    """Build the network ``name`` (None: the generic one) with the options ``config``, as `preset` gives them.

    Args:
        algo: the learner that it is for; None: the first that it has a form for.

    Raises:
        ValueError: it has no form for the learner.
    """
    name = name or GENERIC
    forms = TABLE[name][1]
    form = forms[_known(f"learner of network {name}", algo or next(iter(forms)), forms)]
    return getattr(_module(name), form)(layout, action, config)


def make_policy(
    name: str | None,
    layout: "ObsLayout",
    action: "ActionSpec",
    model_size: str,
    algo: str | None = None,
    **overrides: Any,
) -> Any:
    """Build the network ``name`` of a preset size, with single options of the preset replaced by ``overrides``.

    Raises:
        ValueError: for an unknown name, size or option; the message lists the valid ones.
    """
    config = preset(name, model_size)
    options = [field.name for field in fields(config)]
    for option in overrides:
        _known(f"option of policy {name}", option, options)
    return build(name, layout, action, replace(config, **overrides), algo)


def _module(name: str) -> ModuleType:
    return import_module(TABLE[_known("policy", name, TABLE)][0])


def _known(what: str, name: str, names: Any) -> str:
    if name not in names:
        raise ValueError(f"unknown {what} '{name}', use one of: {', '.join(names)}")
    return name
