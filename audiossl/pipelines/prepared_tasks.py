"""Task folders of a benchmark: given as they are, or made by the prepare script of a recipe."""

from __future__ import annotations

import hashlib
from pathlib import Path

from audiossl.console import console
from audiossl.data_record import DataFiles, Stamps, as_read, changes, read_stamps, write_stamps
from audiossl.errors import ConfigError
from audiossl.file_locks import file_lock
from audiossl.files import read_json, whole_folder, write_json
from audiossl.pipelines.prepare_script import load_script
from audiossl.recipe_folders import find_recipe_folder


def prepared_tasks(source: Path, output: Path, data_root: Path | None = None) -> Path:
    """Return a folder of tasks.

    Args:
        source: folder of tasks; or of a recipe whose `prepare.py` has `prepare_tasks(out, data_root)`, such as recipes/hear, also
            by its name among those that came with audiossl. What it writes is kept in `RECIPE_tasks` next to the output, for all
            models, and made again when the script or the files below `data_root` change.
        output: an output folder.
        data_root: folder of corpora that were fetched by hand.

    Raises:
        ConfigError: if the folder does not exist.
        DataError: if a corpus cannot be fetched or is not as expected.
    """
    found = find_recipe_folder(source)
    if found is None:
        raise ConfigError(f"{source} is no folder: give one of tasks, or a recipe such as recipes/hear")
    source = found
    if not (source / "prepare.py").is_file():
        return source
    script = load_script(source / "prepare.py", ["prepare_tasks"])
    key = hashlib.blake2b("\0".join([*script.sources, str(data_root)]).encode(), digest_size=16).hexdigest()
    folder = output.parent / f"{source.absolute().name}_tasks"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(folder.parent / f".{folder.name}.lock"):
        files, roots, known = DataFiles(folder), [data_root] if data_root else [], read_stamps(folder)
        why = _changes(folder, key, known, files, roots)
        if why is not None:
            console.print(f"preparing the tasks of {source} in {folder}{why}", markup=False, soft_wrap=True)
            before = files.glance(roots)
            with whole_folder(folder) as partial:
                script.module.prepare_tasks(partial, data_root)
                write_stamps(partial, as_read(before, files.stamps(roots, known or {}, again=True)))
                write_json(partial / "prepared.json", {"key": key})
        elif known is None:  # a version made them that did not record the files
            write_stamps(folder, files.stamps(roots, {}))
    return folder


def _changes(folder: Path, key: str, known: Stamps | None, files: DataFiles, roots: list[Path]) -> str | None:
    """Why tasks are to be made, in words; None where they are as they would be made now."""
    stamp = folder / "prepared.json"
    if not stamp.is_file():
        return ""
    if read_json(stamp) != {"key": key}:
        return ", as the script or data_root differs"
    changed = changes(known, files.stamps(roots, known)) if known else []
    return f": {'; '.join(changed)}" if changed else None
