"""The model card of a repository on the Hugging Face hub (`README.md`), written from what is known of a model."""

from __future__ import annotations

import re

from audiossl.models import hub
from audiossl.models.model_facts import ModelFacts
from audiossl.version import __version__

CARD = "README.md"
NOT_STATED = "not stated by its author"
MOST_NAMED = 12  # channels
# Names that the hub knows, of which authors of models take most; any other is written as `license: other` with its name.
LICENCES = """apache-2.0 mit openrail bsd bsd-2-clause bsd-3-clause cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
    cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
    cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 agpl-3.0 mpl-2.0 isc unlicense wtfpl artistic-2.0
    odc-by odbl pddl"""
CODE = re.compile("[a-z]{2,3}")  # of a language, as the hub knows them

CARD_TEXT = """{metadata}
# {title}

{lead}

| | |
|---|---|
{facts}

## Use

```python
{use}
```
{transformers}
## Padding

{padding}

## Training data

{training}

## Scores

{scores}

## Limits

{limits}

Written by audiossl {version}.
"""
TRANSFORMERS = """
Or by `transformers`, with the code of the installed audiossl (nothing of this repository is run):

```python
import audiossl, transformers

audiossl.register_transformers()
model = transformers.AutoModel.from_pretrained("{name}")  # input_values, attention_mask -> last_hidden_state, hidden_states
```
"""
NO_SCORES = "None were measured."
NO_PADDING = "Not measured for these weights; `audiossl check {name}` does."


def model_card(facts: ModelFacts, *, scores: str = "", padding: str = "", limits: tuple[str, ...] = ()) -> str:
    """Write the card of a model: metadata of the hub, what it takes and gives, how to load it, scores, limits.

    Args:
        facts: what is known of the model; what is not is said to be unknown.
        scores: measured values as Markdown, with what they were measured on.
        padding: sentence on clips alone and in padded batches, as it was measured.
        limits: further sentences on where the model should not be trusted.

    >>> from audiossl.models import Zipformer
    >>> card = model_card(ModelFacts.of(Zipformer.from_preset("tiny"), "me/mine"))
    >>> print(card.splitlines()[7], "|", "not stated by its author" in card)
    # mine | True
    """
    is_registered = facts.model_type in hub.MODELS and facts.model_type != hub.NAMED
    own = tuple(filter(None, (*limits, _shortest(facts), _unknown_languages(facts))))
    return CARD_TEXT.format(
        metadata=_metadata(facts),
        title=facts.name.rpartition("/")[2],
        lead=_lead(facts),
        facts="\n".join(f"| {name} | {value} |" for name, value in _facts(facts)),
        use=_use(facts),
        transformers=TRANSFORMERS.format(name=facts.name) if is_registered else "",
        padding=padding or NO_PADDING.format(name=facts.name),
        training=_training(facts),
        scores=scores or NO_SCORES,
        limits="\n".join(f"- {sentence}" for sentence in own),
        version=__version__,
    )


def _metadata(facts: ModelFacts) -> str:
    """What the hub reads above the text."""
    from huggingface_hub import ModelCardData

    known = (facts.licence or "").lower()
    is_known = known in LICENCES.split()
    languages = [language for language in facts.known_languages if CODE.fullmatch(language)]
    about = ModelCardData(
        language=languages or None,
        license=None if facts.licence is None else known if is_known else "other",
        license_name=None if facts.licence is None or is_known else facts.licence,
        library_name="audiossl",
        pipeline_tag="feature-extraction",
        tags=["self-supervised", *(["audio"] if facts.is_audio else ["time-series"])],
    )
    return f"---\n{about.to_yaml()}\n---"


def _lead(facts: ModelFacts) -> str:
    takes = (
        f"{facts.sample_rate:g} Hz mono audio"
        if facts.is_audio
        else f"{len(facts.channels)} channels at {facts.sample_rate:g} Hz"
    )
    sentences = [f"A {facts.kind} that turns {takes} into {facts.frame_rate:g} frames a second."]
    if facts.teacher:
        sentences.append(f"It was trained to predict tokens of {facts.teacher}.")
    if facts.started_from:
        sentences.append(f"Training started from {facts.started_from}.")
    return " ".join(sentences)


def _facts(facts: ModelFacts) -> list[tuple[str, str]]:
    rows = [
        ("Sample rate", f"{facts.sample_rate:g} Hz"),
        ("Hop", f"{_time(facts.hop_seconds)}, {facts.frame_rate:g} frames a second"),
        ("Layers", f"{len(facts.widths)}, of width {_widths(facts.widths)}"),
        ("Weights", f"{facts.parameters:,}, float32"),
        ("Licence of the weights", facts.licence or NOT_STATED),
    ]
    if facts.is_audio:
        none = "none" if facts.languages == () else "not known"
        rows.append(("Languages", ", ".join(facts.known_languages) or none))
    if facts.last_frame_rate != facts.frame_rate:
        rows.insert(
            2, ("Hop of the final output", f"{_time(1 / facts.last_frame_rate)}, {facts.last_frame_rate:g} frames a second")
        )
    if facts.channels:
        rows.insert(1, ("Channels", _channels(facts)))
    seeds = facts.seed if isinstance(facts.seed, tuple) else () if facts.seed is None else (facts.seed,)
    seed = f", seed {', '.join(map(str, seeds))}" if seeds else ""
    return rows + ([("Recipe", f"{facts.recipe}{seed}")] if facts.recipe else [])


def _channels(facts: ModelFacts) -> str:
    units = facts.units or ("",) * len(facts.channels)
    named = [f"{name} ({unit})" if unit else name for name, unit in zip(facts.channels, units, strict=True)][:MOST_NAMED]
    return f"{len(facts.channels)}: {', '.join(named)}{', ...' if len(facts.channels) > MOST_NAMED else ''}"


def _widths(widths: tuple[int, ...]) -> str:
    return str(widths[0]) if len(set(widths)) == 1 else ", ".join(map(str, widths))


def _time(seconds: float) -> str:
    return f"{1000 * seconds:g} ms" if seconds < 1 else f"{seconds:g} s"


def _use(facts: ModelFacts) -> str:
    outside = "" if facts.model_type in hub.MODELS else f', trust_code="{facts.model_type}"'
    signal = '"clip.wav"' if facts.is_audio else f"signal, sample_rate={facts.sample_rate:g}"
    layers = f"{len(facts.widths)} layer{'' if len(facts.widths) == 1 else 's'}"
    frames = f"(frames, {facts.widths[-1]})" if facts.widths else "(frames, width)"
    lines = [
        "import audiossl",
        "",
        f'model = audiossl.load("{facts.name}"{outside})',
        f"frames = model.embed({signal}).frames  # {frames} of the final output",
        f'layers = model.embed({signal}, layers="all").frames  # {layers}',
    ]
    if outside:
        lines.insert(0, f"# The class {facts.model_type} is not part of audiossl: its author's code has to be installed.")
    return "\n".join(lines)


def _training(facts: ModelFacts) -> str:
    sets = "Not known." if facts.training is None else "\n".join(f"- {one.in_words}" for one in facts.training)
    return f"{sets}\n\nSource and licence of these data: {(facts.training_note or NOT_STATED).rstrip('.')}."


def _shortest(facts: ModelFacts) -> str:
    shortest = f"Shorter signals than {_time(facts.min_seconds)} are padded with zeros"
    return f"{shortest}, and audio at another rate is resampled." if facts.is_audio else f"{shortest}."


def _unknown_languages(facts: ModelFacts) -> str:
    if facts.known_languages or facts.languages == () or not facts.is_audio:
        return ""
    return "Which languages the training data hold is not known."
