"""The table of networks: name -> where it is. Modules load when they are asked for."""

from dataclasses import fields, replace
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from puffer_envs.contract.actions import ActionSpec
    from puffer_envs.contract.layout import ObsLayout

# name -> (module, class). The module also has PRESETS: model size -> frozen dataclass of the network's options.
TABLE = {
    "platform_fighter": ("policies.platform_fighter", "PlatformFighterPolicy"),
    "pokemon_red": ("policies.pokemon_red", "PokemonRedPolicy"),
    "territory": ("policies.territory", "TerritoryPolicy"),
    "voxel_swarm": ("policies.voxel_swarm", "VoxelSwarmPolicy"),
    "generic": ("policies.generic", "GenericPolicy"),
}
GENERIC = "generic"  # the network of games that have none of their own


def preset(name: str | None, model_size: str) -> Any:
    """Options of the network ``name`` (None: the generic one) at a preset size: a frozen dataclass.

    Raises:
        ValueError: for an unknown name or size; the message lists the valid ones.
    """
    name = name or GENERIC
    return _module(name).PRESETS[_known(f"model size of {name}", model_size, _module(name).PRESETS)]


def build(name: str | None, layout: "ObsLayout", action: "ActionSpec", config: Any) -> Any:
    """Build the network ``name`` (None: the generic one) with the options ``config``, as `preset` gives them."""
    name = name or GENERIC
    return getattr(_module(name), TABLE[name][1])(layout, action, config)


def make_policy(name: str | None, layout: "ObsLayout", action: "ActionSpec", model_size: str, **overrides: Any) -> Any:
    """Build the network ``name`` of a preset size, with single options of the preset replaced by ``overrides``.

    Raises:
        ValueError: for an unknown name, size or option; the message lists the valid ones.
    """
    config = preset(name, model_size)
    options = [field.name for field in fields(config)]
    for option in overrides:
        _known(f"option of policy {name}", option, options)
    return build(name, layout, action, replace(config, **overrides))


def _module(name: str) -> ModuleType:
    return import_module(TABLE[_known("policy", name, TABLE)][0])


def _known(what: str, name: str, names: Any) -> str:
    if name not in names:
        raise ValueError(f"unknown {what} '{name}', use one of: {', '.join(names)}")
    return name
