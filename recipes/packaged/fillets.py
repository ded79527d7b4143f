"""Fish Fillets NG: 106 minutes of acted Czech and 96 of Dutch with their texts and an English line, 31 of music and effects.

Vorbis; speech of 22,050 Hz, a part of the Czech of 44,100 Hz. The name of a line's font tells who speaks. From the Debian
packages fillets-ng-data-cs, fillets-ng-data-nl and fillets-ng-data. Licence: GPL-2; nothing of it is in the repository.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from audiossl.signals.audio import probe
from audiossl.signals.corpora.corpus import Item
from audiossl.signals.corpora.manifest import Custom
from audiossl.signals.fetch import fetch

from .sides import MIN_TRAINING_SECONDS, thin, valid_groups

GAME = "usr/share/games/fillets-ng"
CLIPS = {"cs": 1882, "nl": 1616}
MUSIC, EFFECTS = 15, 204

_LINE = re.compile(
    r'dialogId\(\s*"([^"]*)"\s*,\s*"([^"]*)"\s*,\s*"((?:[^"\\]|\\.)*)"\s*\)(?:\s*dialogStr\(\s*"((?:[^"\\]|\\.)*)"\s*\))?',
    re.DOTALL,
)

Lines = dict[str, tuple[str, str, str | None]]  # id -> font, English line, line in the language of the file


def speech(language: str, data_root: Path | None, limit: int | None) -> list[Item]:
    """Fetch the clips of a language, "cs" or "nl", and their texts; a group is a level of the game, the same for both."""
    package = f"fillets-ng-data-{language}"
    root = fetch(f"deb:{package}", data_root=data_root, expect={f"{GAME}/sound/**/{language}/*.ogg": CLIPS[language]}) / GAME
    texts = _fetch_game(data_root) / "script"
    lines: dict[str, Lines] = defaultdict(dict)
    for path in sorted(texts.rglob(f"*dialogs_{language}.lua"), key=lambda path: (path.name != f"dialogs_{language}.lua", path)):
        level = path.parent.relative_to(texts).as_posix()
        lines[level] = read_lines(path) | lines[level]
    anywhere = {id_: line for level in sorted(lines, reverse=True) for id_, line in lines[level].items()}
    valid = valid_groups(path.name for path in texts.iterdir() if path.is_dir())
    items = []
    for path in sorted((root / "sound").rglob(f"{language}/*.ogg")):
        level = path.parents[1].relative_to(root / "sound").as_posix()
        font, english, text = lines.get(level, {}).get(path.stem) or anywhere.get(path.stem) or (None, "", None)
        custom: Custom = {"source": package, "domain": "speech", "side": "valid" if level in valid else "train"}
        custom |= {"group": f"fillets/{level}"} | ({"english": english} if english else {})
        items.append(Item(
            id=f"{package}/{level}/{path.stem}", path=path, text=text, language=language,
            speaker=f"{language}/{font.removeprefix('font_')}" if font else None, custom=custom,
        ))  # fmt: skip
    return thin(items, limit)


def sounds(data_root: Path | None, limit: int | None) -> list[Item]:
    """Fetch music and effects; a group is a track, or the effects of a level."""
    root = _fetch_game(data_root)
    every = sorted([*(root / "music").glob("*.ogg"), *(root / "sound").rglob("*.ogg")])
    paths = [path for path in every if probe(path).duration >= MIN_TRAINING_SECONDS]
    groups = {path: path.relative_to(root).with_suffix("").parts[:2] for path in paths}
    valid = valid_groups("/".join(group) for group in groups.values())
    items = []
    for path, group in ((path, "/".join(groups[path])) for path in paths):
        custom: Custom = {"source": "fillets-ng-data", "domain": "audio", "side": "valid" if group in valid else "train"}
        name = path.relative_to(root).with_suffix("").as_posix()
        items.append(Item(id=f"fillets-ng-data/{name}", path=path, custom=custom | {"group": f"fillets-ng-data/{group}"}))
    return thin(items, limit)


def read_lines(path: Path) -> Lines:
    """Read the lines of a level, `dialogId("ID", "FONT", "English")` with `dialogStr("line")`; the first of equal ids counts."""
    lines: Lines = {}
    for id_, font, english, said in _LINE.findall(path.read_text(encoding="utf-8")):
        lines.setdefault(id_, (font, _unescaped(english), _unescaped(said) or None))
    return lines


def _fetch_game(data_root: Path | None) -> Path:
    expect = {f"{GAME}/music/*.ogg": MUSIC, f"{GAME}/sound/**/*.ogg": EFFECTS}
    return fetch("deb:fillets-ng-data", data_root=data_root, expect=expect) / GAME


def _unescaped(text: str) -> str:
    return " ".join(re.sub(r"\\(.)", lambda match: " " if match[1] == "n" else match[1], text, flags=re.DOTALL).split())
