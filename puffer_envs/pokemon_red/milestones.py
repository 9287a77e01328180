"""What counts as progress: one table of milestones for each game, picked by the cartridge's header title.

A milestone is an event flag, a badge or the first entry of a map. `deadline` is T_m: how many decisions an episode has
to reach it, counted from the step at which it held the predecessor. Tiers are the thirds of a table, in order.

Map ids and event bits of Pokemon Red are those of pret/pokered; WAYFARER's are in `rom/assets/`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from puffer_envs.contract import milestone

TIERS = ("early", "mid", "late")


@dataclass(frozen=True)
class Milestone(milestone.Milestone):
    """One row of a table; its predecessor is an earlier one."""

    kind: str  # "event" | "badge" | "map"
    index: int  # event bit 0..2559, badge bit 0..7, or map id
    required: bool  # the story cannot end without it


class Game(NamedTuple):
    """Everything in which the two games differ, as data."""

    title: str  # of the cartridge header
    milestones: tuple[Milestone, ...]
    map_names: dict[int, str]
    rest_house_maps: frozenset[int]  # healing is rewarded here, once a visit
    required_events: tuple[int, ...]  # story events, paid more than the others
    excluded_events: tuple[int, ...]  # flags that are no achievement
    start_money: int
    route: tuple[int, ...]  # maps in the order in which the story first leads to them; a new game begins on the first
    ways_back: dict[str, tuple[int, ...]]  # by milestone: known maps over which the story leads next


class _Row(NamedTuple):
    """A milestone as it is written below: it follows the row before it unless `after` names another."""

    name: str
    kind: str
    index: int  # type: ignore[assignment]
    deadline: int
    required: bool = True
    after: str | None = None


def _table(rows: tuple[_Row, ...]) -> tuple[Milestone, ...]:
    """Rows with their tiers and predecessors filled in."""
    before = (None, *(row.name for row in rows))
    tiers = [TIERS[3 * i // len(rows)] for i in range(len(rows))]
    return tuple(
        Milestone(row.name, tier, row.after or previous, row.deadline, row.kind, row.index, row.required)
        for row, tier, previous in zip(rows, tiers, before, strict=False)
    )


def _required_events(milestones: tuple[Milestone, ...]) -> tuple[int, ...]:
    return tuple(row.index for row in milestones if row.kind == "event" and row.required)


# ---- WAYFARER, the built-in game: three acts, three badges. Deadlines are about three times what the scripted player
# of the tests needs, at least 128 and at most 1,024.

_WAYFARER = _table(
    (
        _Row("enter_nettlewick", "map", 0x00, 128),
        _Row("enter_lab", "map", 0x28, 128),
        _Row("got_starter", "event", 2, 128),
        _Row("enter_bramble_road", "map", 0x0C, 128),
        _Row("first_win", "event", 3, 256, required=False),
        _Row("enter_mossbridge", "map", 0x01, 128, after="enter_bramble_road"),
        _Row("enter_whisperwood", "map", 0x33, 128),
        _Row("beat_forest_trainer", "event", 6, 128),
        _Row("enter_quarry_hill", "map", 0x02, 128),
        _Row("enter_quarry_gym", "map", 0x36, 128),
        _Row("beat_quarry_trainer", "event", 8, 128),
        _Row("badge_stone", "badge", 0, 256),
        _Row("got_parcel", "event", 10, 128),
        _Row("delivered_parcel", "event", 11, 384),
        _Row("showed_ticket", "event", 12, 512),
        _Row("enter_hollow", "map", 0x3B, 256),
        _Row("enter_deep_hollow", "map", 0x3C, 256),
        _Row("enter_brinehaven", "map", 0x03, 256),
        _Row("enter_tide_gym", "map", 0x41, 256),
        _Row("badge_tide", "badge", 1, 384),
        _Row("got_hatchet", "event", 20, 768),
        _Row("cut_tree", "event", 21, 768),
        _Row("passed_badge_gate", "event", 22, 256),
        _Row("found_key", "event", 24, 256),
        _Row("opened_lamp_gym", "event", 25, 256),
        _Row("badge_lamp", "badge", 2, 384),
        _Row("passed_hall_gate", "event", 28, 256),
        _Row("signed_book", "event", 29, 128),
    )
)

_WAYFARER_MAPS = {  # in the order of the story
    0x26: "Loft",
    0x25: "Home",
    0x00: "Nettlewick",
    0x28: "Lab",
    0x0C: "BrambleRoad",
    0x01: "Mossbridge",
    0x29: "MossRest",
    0x32: "ForestGate",
    0x33: "Whisperwood",
    0x02: "QuarryHill",
    0x36: "QuarryGym",
    0x0E: "WindyPass",
    0x3B: "Hollow",
    0x3C: "DeepHollow",
    0x0F: "SaltRoad",
    0x03: "Brinehaven",
    0x40: "BrineRest",
    0x41: "TideGym",
    0x10: "Causeway",
    0x05: "Lampwick",
    0x5C: "LampGym",
    0x76: "WayfarersHall",
}

_TO_THE_LAB = (0x02, 0x33, 0x32, 0x01, 0x0C, 0x00, 0x28)
_TO_THE_WOODCUTTER = (0x03, 0x0F, 0x3C, 0x3B, 0x0E, 0x02, 0x33)

WAYFARER = Game(
    title="WAYFARER",
    milestones=_WAYFARER,
    map_names=_WAYFARER_MAPS,
    rest_house_maps=frozenset({0x25, 0x29, 0x40}),
    required_events=_required_events(_WAYFARER),
    excluded_events=(),
    start_money=3000,
    route=tuple(_WAYFARER_MAPS),
    ways_back={
        "badge_stone": (0x02,),
        "got_parcel": _TO_THE_LAB,
        "delivered_parcel": _TO_THE_LAB,
        "badge_tide": _TO_THE_WOODCUTTER,
        "got_hatchet": _TO_THE_WOODCUTTER,
        "badge_lamp": (0x05,),
    },
)


# ---- Pokemon Red (US). Deadlines are in decisions of 24 frames, rough, and generous.

_RED = _table(
    (
        _Row("got_starter", "event", 0x022, 768),
        _Row("battled_rival", "event", 0x023, 512, required=False),
        _Row("enter_route_1", "map", 0x0C, 512, after="got_starter"),
        _Row("enter_viridian_city", "map", 0x01, 768),
        _Row("got_oaks_parcel", "event", 0x039, 512),
        _Row("oak_got_parcel", "event", 0x038, 1536),
        _Row("got_pokedex", "event", 0x025, 512),
        _Row("enter_viridian_forest", "map", 0x33, 2048),
        _Row("enter_pewter_city", "map", 0x02, 2048),
        _Row("badge_boulder", "badge", 0, 2048),
        _Row("enter_mt_moon", "map", 0x3B, 2048),
        _Row("beat_mt_moon_nerd", "event", 0x579, 3072),
        _Row("enter_cerulean_city", "map", 0x03, 2048),
        _Row("badge_cascade", "badge", 1, 3072),
        _Row("beat_cerulean_rival", "event", 0x098, 2048, after="enter_cerulean_city"),
        _Row("met_bill", "event", 0x550, 3072),
        _Row("got_ss_ticket", "event", 0x55C, 512),
        _Row("enter_vermilion_city", "map", 0x05, 3072),
        _Row("got_hm01", "event", 0x5E0, 3072),
        _Row("badge_thunder", "badge", 2, 3072),
        _Row("enter_rock_tunnel", "map", 0x52, 4096),
        _Row("enter_lavender_town", "map", 0x04, 4096),
        _Row("enter_celadon_city", "map", 0x06, 3072),
        _Row("badge_rainbow", "badge", 3, 3072),
        _Row("found_rocket_hideout", "event", 0x1B9, 3072, after="enter_celadon_city"),
        _Row("beat_hideout_giovanni", "event", 0x6A7, 4096),
        _Row("beat_tower_rival", "event", 0x0EF, 3072),
        _Row("beat_ghost_marowak", "event", 0x10F, 3072),
        _Row("got_poke_flute", "event", 0x128, 2048),
        _Row("enter_saffron_city", "map", 0x0A, 4096),
        _Row("beat_silph_rival", "event", 0x740, 4096),
        _Row("beat_silph_giovanni", "event", 0x78F, 4096),
        _Row("badge_marsh", "badge", 5, 3072),
        _Row("enter_fuchsia_city", "map", 0x07, 4096, after="got_poke_flute"),
        _Row("badge_soul", "badge", 4, 3072),
        _Row("got_hm03", "event", 0x880, 4096, after="enter_fuchsia_city"),
        _Row("got_hm04", "event", 0x238, 2048),
        _Row("enter_cinnabar_island", "map", 0x08, 4096),
        _Row("pressed_mansion_switch", "event", 0x278, 2048, required=False),
        _Row("badge_volcano", "badge", 6, 4096, after="enter_cinnabar_island"),
        _Row("viridian_gym_open", "event", 0x028, 4096),
        _Row("badge_earth", "badge", 7, 3072),
        _Row("beat_route_22_rival", "event", 0x526, 3072),
        _Row("enter_victory_road", "map", 0x6C, 3072),
        _Row("enter_indigo_plateau", "map", 0x09, 4096),
        _Row("beat_lorelei", "event", 0x8E1, 2048),
        _Row("beat_bruno", "event", 0x8E9, 1024),
        _Row("beat_agatha", "event", 0x8F1, 1024),
        _Row("beat_lance", "event", 0x8FE, 1024),
        _Row("beat_champion", "event", 0x901, 1024),
    )
)

_RED_ROUTES = {0x0B + n: f"Route{n}" for n in range(1, 26)}

# The way to the third badge; further on the story branches.
_RED_ROUTE = (
    *(0x26, 0x25, 0x00, 0x28, 0x0C, 0x01, 0x29, 0x2A, 0x0D, 0x32, 0x33, 0x2F, 0x02, 0x3A, 0x36, 0x0E, 0x44),
    *(0x3B, 0x3C, 0x3D, 0x0F, 0x03, 0x40, 0x41, 0x23, 0x24, 0x58, 0x10, 0x11, 0x05, 0x59, 0x5E, 0x5F, 0x65, 0x5C),
)
_TO_OAK = (0x01, 0x0C, 0x00, 0x28)

RED = Game(
    title="POKEMON RED",
    milestones=_RED,
    map_names=_RED_ROUTES
    | {
        0x00: "PalletTown",
        0x01: "ViridianCity",
        0x02: "PewterCity",
        0x03: "CeruleanCity",
        0x04: "LavenderTown",
        0x05: "VermilionCity",
        0x06: "CeladonCity",
        0x07: "FuchsiaCity",
        0x08: "CinnabarIsland",
        0x09: "IndigoPlateau",
        0x0A: "SaffronCity",
        0x25: "RedsHouse1F",
        0x26: "RedsHouse2F",
        0x28: "OaksLab",
        0x29: "ViridianCenter",
        0x2A: "ViridianMart",
        0x2D: "ViridianGym",
        0x33: "ViridianForest",
        0x36: "PewterGym",
        0x3A: "PewterCenter",
        0x3B: "MtMoon1F",
        0x3C: "MtMoonB1F",
        0x3D: "MtMoonB2F",
        0x40: "CeruleanCenter",
        0x41: "CeruleanGym",
        0x44: "MtMoonCenter",
        0x51: "RockTunnelCenter",
        0x52: "RockTunnel1F",
        0x58: "BillsHouse",
        0x59: "VermilionCenter",
        0x5C: "VermilionGym",
        0x5E: "VermilionDock",
        0x5F: "SSAnne",
        0x65: "SSAnneCaptain",
        0x6C: "VictoryRoad1F",
        0x71: "LancesRoom",
        0x76: "HallOfFame",
        0x78: "ChampionsRoom",
        0x85: "CeladonCenter",
        0x86: "CeladonGym",
        0x87: "GameCorner",
        0x8D: "LavenderCenter",
        0x8E: "PokemonTower1F",
        0x9A: "FuchsiaCenter",
        0x9B: "WardensHouse",
        0x9C: "SafariGate",
        0x9D: "FuchsiaGym",
        0xA5: "PokemonMansion1F",
        0xA6: "CinnabarGym",
        0xAB: "CinnabarCenter",
        0xAE: "IndigoLobby",
        0xB2: "SaffronGym",
        0xB5: "SilphCo1F",
        0xB6: "SaffronCenter",
        0xC0: "SeafoamIslands1F",
        0xC5: "DiglettsCave",
        0xE8: "RockTunnelB1F",
        0xF5: "LoreleisRoom",
        0xF6: "BrunosRoom",
        0xF7: "AgathasRoom",
    },
    rest_house_maps=frozenset({0x25, 0x29, 0x3A, 0x40, 0x44, 0x51, 0x59, 0x85, 0x8D, 0x9A, 0xAB, 0xAE, 0xB6}),
    required_events=_required_events(_RED),
    excluded_events=(0x068,),  # the museum's ticket can be bought again and again
    start_money=3000,
    route=_RED_ROUTE,
    ways_back={
        "got_oaks_parcel": _TO_OAK,
        "got_pokedex": _TO_OAK,
        "badge_boulder": (0x02,),
        "badge_cascade": (0x03,),
        "got_ss_ticket": (0x24, 0x23, 0x03),
        "got_hm01": (0x5F, 0x5E, 0x05),
    },
)

GAMES: dict[str, Game] = {game.title: game for game in (WAYFARER, RED)}


def game_of(title: str) -> Game:
    """The game of a header title; an unknown one is taken for a relative of Pokemon Red."""
    return GAMES.get(title, RED)
