"""FSS-1000's class names as a text model is to read them: words with spaces, and the plain misspellings mended.

Ids keep the published spelling, since they are folder names. All 1000 names were read; only what is wrong beyond doubt
is mended. Names that are cut short ("burj_al"), numbered ("earphone1"), unclear ("kinguin", "ganeva_chair",
"downy_pitch") or spelled in another accepted way ("cumquat", "icecream") stay as they are.
"""

from __future__ import annotations

MENDED = {
    "adhensive_tape": "adhesive tape",
    "american_chamelon": "american chameleon",
    "assult_rifle": "assault rifle",
    "bolotie": "bolo tie",
    "brasscica": "brassica",
    "cablestayed_bridge": "cable-stayed bridge",
    "cocacola": "coca-cola",
    "colubus": "colobus",
    "cricketball": "cricket ball",
    "eletrical_switch": "electrical switch",
    "housefinch": "house finch",
    "jacko_lantern": "jack-o'-lantern",
    "loguat": "loquat",
    "minicooper": "mini cooper",
    "motarboard": "mortarboard",
    "pokermon_ball": "pokemon ball",
    "rubick_cube": "rubik's cube",
    "scarerow": "scarecrow",
    "sealion": "sea lion",
    "tebby_cat": "tabby cat",
    "tredmill": "treadmill",
    "tresher": "thresher",
}
"""Published name -> the words it stands for."""


def plain_name(key: str) -> str:
    """The words for the class ``key`` in a text prompt.

    >>> plain_name("abe's_flyingfish"), plain_name("assult_rifle")
    ("abe's flyingfish", 'assault rifle')
    """
    return MENDED.get(key, spaced(key))


def spaced(key: str) -> str:
    """``key`` with its underscores as spaces.

    >>> spaced("dining_table")
    'dining table'
    """
    return " ".join(key.replace("_", " ").split())
