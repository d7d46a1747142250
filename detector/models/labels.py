"""Label order: find the fake class of a published classifier from its class names.

The same author ships "0: Real, 1: Fake" in one model and "0: Deepfake, 1: Real" in the next, so an
order is never assumed. A name counts only if all its words are known; LABEL_0 has no meaning."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from detector.errors import LabelOrderError
from detector.sentences import _


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FAKE = _words("""
    ai aigc altered artificial cloned computer counterfeit dalle deepfake deepfakes df diffusion
    fake fakes faceswap flux forged forgery gan generated machine manipulated manipulation
    midjourney sdxl sd spoof spoofed swapped synthesized synthetic synthetically tampered
""")
REAL = _words("""
    actual authentic bonafide camera genuine hum human humans live natural original pristine real
    realism realistic reality true unaltered unmanipulated untouched
""")
NEUTRAL = _words("""
    a an and art audio by class content deep face faces frame frames image images made media of or
    photo photograph photos picture pictures sound sounds speech video videos voice voices with
""")
"""Words that distinguish neither class."""

_NEGATIONS = frozenset({"non", "not", "no", "un"})


def meaning(name: str) -> bool | None:
    """Return whether a class of this name is fake (True), real (False), or unclear (None)."""
    # "AI-Generated", "deep_fake", "DeepFake", "NotFake" and "not fake" are the same to a reader.
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[a-z]+", spaced.lower())
    joined = " ".join(words)
    joined = joined.replace("bona fide", "bonafide").replace("deep fake", "deepfake")
    joined = joined.replace("face swap", "faceswap").replace("dall e", "dalle")
    words = joined.split()
    negated = [word for word in words if word in _NEGATIONS]
    telling = frozenset(words) - _NEGATIONS - NEUTRAL
    if not telling or len(negated) > 1 or not (telling <= FAKE or telling <= REAL):
        return None
    return (telling <= FAKE) != bool(negated)


def fake_index(
    labels: Mapping[int, str] | Mapping[str, str] | Sequence[str],
    fake: str | int | None = None,
    name: str = "The model",
) -> int:
    """Return the output that means fake (`ModelSpec.fake_index`): of a single output 1 for fake, 0
    for real. Raise LabelOrderError if the names are unclear and `fake` names none of them.

    `labels` are as in `id2label`; `fake`, a name or number stated by the user, has precedence."""
    pairs = labels.items() if isinstance(labels, Mapping) else enumerate(labels)
    classes = {int(index): str(label) for index, label in pairs}
    listed = _listed(classes)
    if len(classes) == 1 and str(fake) in {"0", "1"}:
        return int(str(fake))
    if fake is not None:
        label = str(fake).strip().lower()
        matches = [index for index, known in classes.items() if known.strip().lower() == label]
        if not matches and label.isdigit() and int(label) in classes:
            matches = [int(label)]
        if len(matches) != 1:
            text = _("{name} has no class {fake}; its classes are {listed}.")
            raise LabelOrderError(text.format(name=name, fake=repr(fake), listed=listed))
        return matches[0] if len(classes) > 1 else 1
    means = {index: meaning(label) for index, label in classes.items()}
    fakes = [index for index, is_fake in means.items() if is_fake]
    others = [index for index, is_fake in means.items() if is_fake is False]
    # One class of fake and all others real, or nothing is said. Several kinds of fake (gan,
    # diffusion, real) have no single output that means fake.
    if len(fakes) + len(others) == len(classes) and 1 in (len(classes), len(fakes)):
        return fakes[0] if len(classes) > 1 else len(fakes)
    why = (
        _("has no class that means fake")
        if all(is_fake is False for is_fake in means.values())
        else _("does not say which of its classes means fake")
    )
    raise LabelOrderError(
        _("{name} {why}: {listed}.").format(name=name, why=why, listed=listed),
        hint=_("Say it: --fake LABEL, with the name or the number of the class that means fake."),
    )


def require_agreement(
    config: Mapping[str, Any], name: str, fake: str | int | None = None, *, option: str = "--fake"
) -> None:
    """Raise LabelOrderError if `id2label` and `label2id` of a `config.json` contradict each other.
    Generic names (LABEL_0) contradict nothing, and a number stated by the user (`fake`) is valid in
    any case."""
    here, there = config.get("id2label"), config.get("label2id")
    if not isinstance(here, Mapping) or not isinstance(there, Mapping):
        return
    if fake is not None and str(fake).strip().isdigit():
        return
    try:
        named = {int(index): str(label) for index, label in here.items()}
        numbered = {str(label): int(index) for label, index in there.items()}
    except (TypeError, ValueError) as error:
        raise LabelOrderError(
            _(
                "The configuration of {name} numbers its classes with something else than numbers."
            ).format(name=name)
        ) from error
    turned = {label.strip().lower(): index for index, label in named.items()}
    for label, index in numbered.items():
        one, other = meaning(label), meaning(named.get(index, ""))
        moved = turned.get(label.strip().lower(), index) != index
        if moved or (one is not None and other is not None and one != other):
            raise LabelOrderError(
                _(
                    "The configuration of {name} contradicts itself: id2label says {named}, "
                    "label2id says {numbered}."
                ).format(
                    name=name,
                    named=_listed(named),
                    numbered=_listed({i: n for n, i in numbered.items()}),
                ),
                hint=_(
                    "Find out which one its training used, then say the number of the output "
                    "that means fake: {option} NUMBER."
                ).format(option=option),
            )


def _listed(classes: Mapping[int, str]) -> str:
    return ", ".join(f"{index}: {label}" for index, label in sorted(classes.items()))
