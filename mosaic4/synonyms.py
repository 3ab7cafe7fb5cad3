"""Classes of FSS-1000 that name nearly the same thing: where a mosaic holds one, none of the others is "absent".

The table covers all 240 official test classes. Two are grouped where one name holds the other (``eagle``,
``fish_eagle``), where both are kinds of one thing that plain speech or a photograph does not distinguish (flying fish,
handheld consoles), or where one word means both (``bulb``, ``fennel_bulb``). Breeds of dogs, species of songbirds and
buildings with proper names are distinct. The table is part of ``mosaic4-v1`` and never changes; for other class lists
only the names in it count.
"""

from __future__ import annotations

from functools import cache

GROUPS: tuple[tuple[str, ...], ...] = (
    ("abe's_flyingfish", "clearwing_flyingfish", "fish", "glider_flyingfish"),
    ("fish", "haddock", "stingray"),
    ("andean_condor", "condor"),
    ("arch_bridge", "cablestayed_bridge", "cantilever_bridge", "truss_bridge"),
    ("banana_boat", "speedboat", "wooden_boat"),
    ("barber_shaver", "hair_razor"),
    ("bat", "pteropus"),
    ("bulb", "fennel_bulb"),
    ("bus", "doublebus"),
    ("cabbage_butterfly", "sulphur_butterfly"),
    ("cathedrale_paris", "church"),
    ("chalk_brush", "rubber_eraser"),
    ("chess_king", "chess_knight", "chess_queen"),
    ("chicken", "chicken_leg"),
    ("delta_wing", "hang_glider"),
    ("delta_wing", "jet_aircraft", "stealth_aircraft", "warplane"),
    ("eagle", "fish_eagle", "hawk", "osprey", "peregine_falcon"),
    ("earphone1", "earphone2"),
    ("egg", "leaf_egg", "pidan", "poached_egg", "quail_egg"),
    ("f1_racing", "ferrari911", "minicooper", "rally_car"),
    ("f1_racing", "kart"),
    ("fan", "leaf_fan"),
    ("french_fries", "potato_chips"),
    ("ganeva_chair", "rocking_chair"),
    ("helicopter", "tiltrotor", "transport_helicopter"),
    ("leather_shoes", "net_surface_shoes"),
    ("indri", "lemur_catta"),
    ("ipad", "iphone"),
    ("knife", "kunai", "letter_opener"),
    ("monkey", "siamang"),
    ("nintendo_3ds", "nintendo_gba", "nintendo_sp", "nintendo_switch", "nintendo_wiiu", "pspgo"),
    ("pyramid", "pyramid_cube", "pyraminx"),
    ("pyramid_cube", "pyraminx", "rubick_cube"),
    ("quail", "quail_egg"),
    ("santa_sledge", "sled"),
)
"""Groups of classes that name nearly the same thing; a class may be in several."""


@cache
def near(key: str) -> frozenset[str]:
    """The class itself and all classes that name nearly the same thing.

    >>> sorted(near("kart")), sorted(near("swan"))
    (['f1_racing', 'kart'], ['swan'])
    """
    return frozenset({key}.union(*(group for group in GROUPS if key in group)))
