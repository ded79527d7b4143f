"""Which method runs which pipeline, and how a recipe file becomes a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from audiossl.errors import ConfigError, StoreError
from audiossl.evaluation.results import print_results, read_results
from audiossl.files import whole_file, write_json
from audiossl.find_recipe import find_recipe
from audiossl.option_keys import list_keys
from audiossl.options import replace_options
from audiossl.pipelines.connectivity import checks as connectivity_checks
from audiossl.pipelines.connectivity import dry_run as connectivity_dry_run
from audiossl.pipelines.connectivity import stages as connectivity
from audiossl.pipelines.connectivity.config import ConnectivityRecipe
from audiossl.pipelines.finetune import stages as finetune
from audiossl.pipelines.finetune.config import FinetuneRecipe
from audiossl.pipelines.own import labelled
from audiossl.pipelines.own.claims import claim_output
from audiossl.pipelines.own.output import corpus_name, default_output
from audiossl.pipelines.semi import dry_run as semi_dry_run
from audiossl.pipelines.semi import stages as semi
from audiossl.pipelines.semi.config import SemiRecipe
from audiossl.pipelines.sensors import checks as sensors_checks
from audiossl.pipelines.sensors import dry_run as sensors_dry_run
from audiossl.pipelines.sensors import stages as sensors
from audiossl.pipelines.sensors.config import SensorsRecipe
from audiossl.pipelines.spear import dry_run as spear_dry_run
from audiossl.pipelines.spear import stages as spear
from audiossl.pipelines.spear.config import SpearRecipe
from audiossl.provenance import versions
from audiossl.recipe import Stage, console, plain, read_method, read_recipe, run_stages, verify_stages
from audiossl.training.devices import autocast, choose_device
from audiossl.world import World

EARLIER = "stages"  # folder of a run, for pre-training before its own
Recipe = SpearRecipe | FinetuneRecipe | SensorsRecipe | ConnectivityRecipe | SemiRecipe
METHODS: dict[str, tuple[type, Callable[[Any, Path], list[Stage]]]] = {
    "spear": (SpearRecipe, spear.stages),
    "finetune": (FinetuneRecipe, finetune.stages),
    "sensors": (SensorsRecipe, sensors.stages),
    "connectivity": (ConnectivityRecipe, connectivity.stages),
    "semi": (SemiRecipe, semi.stages),
}
# What is checked by a dry run where the stage of that name is up to date: a function of the config and the output folder.
CHECKS: dict[str, tuple[str, Callable[[Any, Path], None]]] = {
    "spear": ("labels", spear.check_prepared),
    "finetune": ("labels", finetune.check_prepared),
    "sensors": ("recordings", sensors_checks.check_prepared),
    "connectivity": ("recordings", connectivity_checks.check_prepared),
    "semi": ("recordings", sensors_checks.check_prepared),
}
# What `--dry-run` does beyond naming stages: a function of the config and the output folder.
DRY_RUNS: dict[str, Callable[[Any, Path], object]] = {
    "spear": spear_dry_run.dry_run,
    "finetune": labelled.dry_run,
    "sensors": sensors_dry_run.dry_run,
    "connectivity": connectivity_dry_run.dry_run,
    "semi": semi_dry_run.dry_run,
}


def print_keys(recipe: Path) -> None:
    """Print every key that a recipe of this method may hold: its type, its default and what it means.

    A key that is required stands with the value that the recipe gives it.

    Raises:
        ConfigError: if there is no such recipe.
    """
    kinds = {method: kind for method, (kind, _) in METHODS.items()}
    kind, values = read_method(find_recipe(recipe, kinds), kinds)  # not as a config: a recipe for one's own data lacks some
    for key in list_keys(kind):
        said = "" if values.get(key.name) is None else f", {values[key.name]} in this recipe"
        default = f" = {key.default}" if key.default else f", required{said}"
        print(f"{key.name}: {key.type}{default}")
        if key.description:
            print(f"    {key.description}")


def run_pipeline(
    recipe: Path,
    overrides: Sequence[str] = (),
    first: str | None = None,
    last: str | None = None,
    dry_run: bool = False,
    only: str | None = None,
    verify: bool = False,
) -> Path:
    """Run a recipe and return its output folder, with `results.json` and `report.html` at the top once they exist.

    Args:
        recipe, overrides: file, its folder or its name (`find_recipe`), and `key=value` over it.
        first, last, dry_run: see `run_stages`.
        only: the one method that the recipe may have; None takes all.
        verify: run nothing, but check every stage's files against the digests that were recorded.

    Raises:
        ConfigError: for a recipe, key, value, stage or device that does not exist, or an output that cannot be written.
        StoreError: if another run is at work on the output, or `verify` finds a difference.
    """
    config, file = read_config(recipe, overrides, only=only)
    return run_config(config, file, first=first, last=last, dry_run=dry_run, verify=verify)


def read_config(
    recipe: Path, overrides: Sequence[str] = (), keywords: Mapping[str, object] | None = None, *, only: str | None = None
) -> tuple[Recipe, Path]:
    """Read a recipe into the typed config of its method, and say which file it is.

    Args:
        recipe: file, its folder or its name (`find_recipe`).
        overrides: `key=value` over it.
        keywords: values by key, over both.
        only: the one method that the recipe may have; None takes all.

    Raises:
        ConfigError: for a recipe, key or value that does not exist.
    """
    kinds = {method: kind for method, (kind, _) in METHODS.items() if only in (None, method)}
    file = find_recipe(recipe, kinds)
    return read_recipe(file, overrides, kinds, keywords), file


def run_config(
    config: object,
    file: Path | None = None,
    *,
    first: str | None = None,
    last: str | None = None,
    dry_run: bool = False,
    verify: bool = False,
) -> Path:
    """Run the typed config of a recipe; see `run_pipeline`.

    Args:
        config: configuration of one of the methods.
        file: its YAML file; its prepare script is looked for next to it, else in the working directory.
        first, last, dry_run: see `run_stages`.
        verify: run nothing, but check every stage's files against the digests that were recorded.
    """
    world = World.join()
    method, config = _known(config)
    if not verify:  # which needs none
        autocast(config.training, choose_device(config.training, world))  # refused here, not after hours of preparation
    output = default_output(config, method if file is None else file.stem)
    whole = config
    if getattr(config, "stages", None):
        continued = _after_earlier(config, file, output, dry_run=dry_run, verify=verify)
        if continued is None:
            return output
        config = cast(Recipe, continued)
    stages = METHODS[method][1](config, Path() if file is None else file.parent)
    if world.is_first:
        console.print(f"{config.dataset} in {output}", markup=False)
    if verify:
        asked = [stage.name for stage in stages]
        stages = stages[: asked.index(last) + 1] if last in asked else stages
        if wrong := verify_stages(stages, output):
            raise StoreError(f"{wrong} of {len(stages)} stages in {output} are not as their records say")
        return output
    if world.is_first:
        claim_output(config, output, dry_run)
    seconds = run_stages(stages, output, first, last, dry_run)
    if dry_run and world.is_first:
        stage, check = CHECKS[method]
        if stage in seconds:
            check(config, output)
    if dry_run and last is None and world.is_first and (try_out := DRY_RUNS.get(method)):
        try_out(config, output)
    if dry_run or not world.is_first:
        return output
    if not any(seconds.values()):
        console.print("all stages are up to date")
    for stage, name in (("evaluate", "results.json"), ("report", "report.html")):
        if stage in seconds:
            with whole_file(output / name) as partial:
                shutil.copyfile(output / stage / name, partial)
    recipe = method if file is None else file.name
    write_json(output / "recipe.json", {"recipe": recipe, "config": plain(whole), "versions": versions()})
    if "evaluate" in seconds:
        print_results(read_results(output / "results.json"))
        total = ", ".join(f"{name} {value / 60:.1f}" for name, value in seconds.items() if value)
        if total:
            console.print(f"minutes: {total}; together {sum(seconds.values()) / 60:.1f}")
    if "report" in seconds:
        console.print(f"report: {output / 'report.html'}", markup=False)
    return output


def _after_earlier(config: Any, file: Path | None, output: Path, *, dry_run: bool, verify: bool) -> Any:
    """Run the earlier `stages` of pre-training, each in a folder of its own, and give the recipe that starts from the last.

    None in a dry run that cannot see further, since an earlier stage is still to be run.
    """
    start = config.start
    for number, keys in enumerate(config.stages, start=1):
        folder = output / EARLIER / str(number)
        own = {"dataset": corpus_name(keys["corpus"])} if "corpus" in keys else {}
        place = f"stages[{number}]"
        try:
            earlier = replace_options(replace(config, stages=[], start=start, output=folder), {**own, **keys})
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from error
        if earlier.stages or earlier.output != folder:
            raise ConfigError(f"{place}: expected keys of the recipe other than stages and output, got {', '.join(keys)}")
        laid = METHODS[_known(earlier)[0]][1](earlier, Path() if file is None else file.parent)
        last = [stage.name for stage in laid if stage.every_rank][-1]  # pre-training
        run_config(earlier, file, last=last, dry_run=dry_run, verify=verify)
        if dry_run and not (folder / last).is_dir():
            if World.join().is_first:
                console.print(f"{output} starts from {folder}, which is to be run first", markup=False)
            return None
        start = str(folder)
    return replace(config, stages=[], start=start)


def _known(config: object) -> tuple[str, Recipe]:
    """The method that a config is for, and the config."""
    for method, (kind, _) in METHODS.items():
        if type(config) is kind:  # some are recipes of others with further keys
            return method, cast(Recipe, config)
    raise ConfigError(f"no pipeline takes a {type(config).__name__}")
