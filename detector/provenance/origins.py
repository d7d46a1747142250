"""Statements of origin: which field may carry which program's name, settings of image generators,
and labels of generated content.

Whole names count, not words: "Imagen" is Spanish for "picture", "Sora" a given name, "Runway" part
of an agency's name. Programs name themselves in fields of their own (`Software`, `CreatorTool`),
people in credits and captions. Every statement is the file's own: anyone can write any of it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from detector.provenance.text import clean
from detector.schema.origin import Fact
from detector.sentences import _

# --- names of programs ----------------------------------------------------------------------------

_VERSION = r"(?:[ -]?v?\d+(?:\.\d+)*)"
_NAMES = re.compile(
    r"""(?<!\w)(?:
        stable[ -]diffusion(?:\.cpp)? | midjourney | dall[-·. ]?e(?:[ ]?[23])? | adobe[ ]firefly
        | comfyui | invokeai
        | invoke[ ]ai | novelai | fooocus | swarmui | stableswarmui | draw[ ]things
        | mochi[ ]diffusion | easy[ ]diffusion | diffusionbee | automatic1111 | dreamstudio
        | flux\.[12] | black[ ]forest[ ]labs | gpt-image(?:-\d(?:\.\d)?)? | chatgpt | openai[ ]sora
        | google[ ](?:imagen|veo|gemini) | gemini[ ]\d(?:\.\d)?[ ](?:flash|pro)(?:[ ]image)?
        | nano[ ]banana | runwayml | kling[ ]?ai | leonardo\.ai | heygen | synthesia(?:\.io)?
        | hailuo(?:[ ]ai)? | pika[ ]labs | luma[ ]dream[ ]machine | hunyuan[ ]?video | seedream
        | bing[ ]image[ ]creator | microsoft[ ]designer | grok[ ]imagine | ideogram[ ]ai
    )(?!\w)""",
    re.VERBOSE | re.IGNORECASE,
)
"""Names that are no ordinary words, anywhere in a field where programs write themselves"""
_WORDS = re.compile(
    rf"""(?:
        (?:google[ ])?(?:imagen|veo){_VERSION}(?:[ ](?:fast|ultra|lite|preview|generate))*
        | (?:openai[ ])?sora(?:{_VERSION}(?:[ ](?:pro|turbo))?|[ ]turbo)?
        | runway(?:[ ]?(?:ml|ai))?(?:[ ]gen-?\d+(?:\.\d+)?(?:[ ](?:alpha|turbo))*)?
        | kling(?:{_VERSION}(?:[ ](?:pro|master|standard|turbo))*)?
        | (?:bfl[ ])?flux{_VERSION}?(?:[ ]?\[?(?:dev|pro|schnell|kontext|max)\]?)+
        | wan[ ]?2\.\d | gen-[34](?:[ ](?:alpha|turbo))+ | d-id | ideogram{_VERSION}
    )""",
    re.VERBOSE | re.IGNORECASE,
)
"""Names that are words, only where they are the whole value"""
_EDITED_CREDIT = re.compile(r"edited with (?:google ai|generative ai|galaxy ai)\.?", re.IGNORECASE)
_CREDITED = re.compile(r"(?:made|generated|created) with (.{1,80}?)\.?", re.IGNORECASE)
MAKERS = {
    "Google": re.compile(
        r"(?<!\w)(?:google ai|google (?:imagen|veo)|google.*\bgemini|gemini \d|nano banana)(?!\w)"
        rf"|\A(?:google )?(?:imagen|veo){_VERSION}",
        re.IGNORECASE,
    ),
    "OpenAI": re.compile(
        r"(?<!\w)(?:openai|chatgpt|dall[-·. ]?e(?: ?[23])?|gpt-?4o|gpt-image(?:-\d(?:\.\d)?)?)"
        r"(?!\w)"
        rf"|\A(?:openai )?sora(?:{_VERSION}|\Z)",
        re.IGNORECASE,
    ),
}
"""Makers that watermark their tools' output, so that their own verifiers recognize it."""


def names_itself(fact: Fact) -> bool:
    """Return True for a field where programs write themselves; a computer's name is a person's."""
    return fact.name in ("Software", "Processing software", "Written by")


def generator_named(fact: Fact) -> str:
    """Return the generator that a fact names: in a field of programs, or in a credit to a program;
    empty for none."""
    value = fact.value.strip()
    if names_itself(fact):
        return _name_in(value)
    if fact.name == "Credit" and (made := _CREDITED.fullmatch(value)):
        return value if made[1].lower() == "google ai" else _name_in(made[1].strip())
    return ""


def edited_by(fact: Fact) -> str:
    """Return the credit of a program that edits by a generator, empty for none."""
    edited = fact.name == "Credit" and _EDITED_CREDIT.fullmatch(fact.value.strip())
    return fact.value if edited else ""


def _name_in(value: str) -> str:
    found = _NAMES.search(value)
    return found[0] if found else value if _WORDS.fullmatch(value) else ""


def maker_of(programs: Iterable[str], facts: Iterable[Fact]) -> str | None:
    """Return the one of `MAKERS` whose tool is named by programs that signed the file, by its
    fields of programs, or by its credit."""
    texts = [re.sub(r".*\bwith ", "", text) for text in programs if text]
    for fact in facts:
        if names_itself(fact) or generator_named(fact):
            texts.append(re.sub(r"\A(?:made|generated|created) with ", "", fact.value, flags=re.I))
    return next((name for name, names in MAKERS.items() if any(map(names.search, texts))), None)


# --- settings of generators -----------------------------------------------------------------------

SEARCHED = 1 << 18  # characters of a field
_COMFY_PROMPT = re.compile(r'\\*"class_type\\*"\s*:')
_COMFY_WORKFLOW = re.compile(r'\\*"(?:last_node_id|last_link_id)\\*"\s*:')
_COMFY_EMPTY = re.compile(r'\\*"workflow\\*"\s*:\s*\\*"?\{\s*\\*"(?:nodes|id|version|last_)')
_A1111 = re.compile(
    r"\bSteps: \d{1,5}(?:,|\s).{0,400}?\b(?:Sampler|CFG scale|Seed|Schedule type): ", re.DOTALL
)
_MOCHI = re.compile(r"\bGenerator: Mochi Diffusion\b")
_MIDJOURNEY = re.compile(r"\bJob ID: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_KEYS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("SwarmUI", ("sui_image_params",)),
    ("Fooocus", ("fooocus_scheme",)),
    ("Fooocus", ("base_model", "sampler", "metadata_scheme")),
    ("Fooocus", ("fooocus_v2_expansion",)),
    ("Fooocus", ("Fooocus V2 Expansion",)),
    ("InvokeAI", ("generation_mode", "app_version")),
    ("InvokeAI", ("model_weights", "app_id")),
    ("InvokeAI", ("model_weights", "app_version", "image")),
    ("Easy Diffusion", ("use_stable_diffusion_model",)),
    ("mflux", ("mflux_version",)),
    ("NovelAI", ("request_type", "signed_hash")),
    ("NovelAI", ("uc", "sampler", "steps", "request_type")),
    ("NovelAI", ("uc", "sampler", "steps", "strength")),
    ("Draw Things", ("c", "uc", "sampler", "steps", "seed")),
)
"""Keys of the JSON that a tool writes; all of them have to be there"""
KEYS: Mapping[str, str] = {
    "invokeai_metadata": "InvokeAI",
    "invokeai_graph": "InvokeAI",
    "invokeai_workflow": "InvokeAI",
    "sd-metadata": "InvokeAI",
    "dream": "InvokeAI",
    "fooocus_scheme": "Fooocus",
    "sui_image_params": "SwarmUI",
    "use_stable_diffusion_model": "Easy Diffusion",
}
"""Names of text fields that one tool alone writes, in lower case"""
_PREFIX = re.compile(r"\A\s*(?:prompt|workflow|parameters)\s*:\s*(?=\{)", re.IGNORECASE)
_WEB_UI = "Stable Diffusion web UI"


def tool_of(key: str, text: str) -> str:
    """Return the generator whose settings a text field holds, by its name and its content; empty
    for none."""
    if tool := KEYS.get(key.lower()):
        return tool
    text = text[:SEARCHED]
    if _COMFY_PROMPT.search(text) or _COMFY_WORKFLOW.search(text) or _COMFY_EMPTY.search(text):
        return "ComfyUI"
    if "{" in text[:200]:
        for tool, keys in _KEYS:
            if all(re.search(rf'\\*"{re.escape(name)}\\*"\s*:', text) for name in keys):
                return tool
    if _A1111.search(text):
        return _WEB_UI
    if _MOCHI.search(text):
        return "Mochi Diffusion"
    return "Midjourney" if _MIDJOURNEY.search(text) else ""


# --- labels ---------------------------------------------------------------------------------------

GENERATED = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia")
"""IPTC digital source types of pictures that are at least partly generated."""
_LABEL = re.compile(r'\\*"label\\*"\s*:\s*\\*"?\s*([123])\b', re.IGNORECASE)
_LABEL_FIELDS = re.compile(
    r'\\*"(?:contentproducer|produceid|contentpropagator|propagateid)\\*"\s*:', re.IGNORECASE
)
_LABEL_KEY = re.compile(r'\\*"aigc\\*"\s*:', re.IGNORECASE)


def source_type(text: str) -> str:
    """Return the last word of a digital source type, as its address, with `http` or `https`, with a
    slash at its end, or as a code with a prefix."""
    word = re.split(r"[/:#]", text.strip().rstrip("/# ").strip("<>"))[-1]
    known = {name.lower(): name for name in GENERATED}
    return known.get(word.lower(), word)


def source_types(text: str) -> list[str]:
    """Return the last words of a field, which may list several."""
    return [source_type(part) for part in re.split(r"[,\s]+", text) if part.strip()]


def states_generated(value: str) -> bool:
    """Return True for a digital source type of a file that is at least partly generated."""
    return any(word in GENERATED for word in source_types(value))


def label_of(key: str, text: str) -> int | None:
    """Return the label of generated content by GB 45438-2025 in a text field (`AIGC`): 1 generated,
    2 possibly, 3 suspected; None for none."""
    text = text[:SEARCHED]
    named = key.lower().rpartition(":")[2] == "aigc" or _LABEL_KEY.search(text)
    if not (named or _LABEL_FIELDS.search(text)):
        return None
    found = _LABEL.search(text)
    return int(found[1]) if found else None


# --- facts ----------------------------------------------------------------------------------------

SETTINGS, LABEL = "Settings of {tool}", "AIGC label (GB 45438)"
SYSTEM, SOURCE_TYPE = "AI system used", "Digital source type"


class Field(NamedTuple):
    """A text field of a file, whole: facts are cut."""

    key: str
    text: str
    source: str  # EXIF, XMP, PNG text, container


def generator_facts(fields: Iterable[Field]) -> Iterator[Fact]:
    """Yield what fields state of a generator: its settings, once for a tool, and labels."""
    known = set[str]()
    for field in fields:
        if (tool := tool_of(field.key, field.text)) and tool not in known:
            known.add(tool)
            yield Fact(
                group="generator", name=SETTINGS.format(tool=tool), value=clean(field.text),
                source=field.source,
            )  # fmt: skip
        label = label_of(field.key, field.text)
        if label is not None and LABEL not in known:
            known.add(LABEL)
            value = f"Label {label}, {clean(field.text)}"
            yield Fact(group="generator", name=LABEL, value=clean(value), source=field.source)


def without_false_cameras(facts: Iterable[Fact]) -> list[Fact]:
    """Return facts without invalid cameras: ComfyUI writes its graph into the fields of
    camera makers, and a file of its own names no camera."""
    facts = list(facts)
    comfy = any(fact.name == SETTINGS.format(tool="ComfyUI") for fact in facts)

    def is_false(fact: Fact) -> bool:
        return fact.group == "camera" and (
            comfy or _PREFIX.match(fact.value) is not None or fact.value.startswith(("{", "["))
        )

    return [fact for fact in facts if not is_false(fact)]


_LABEL_SENTENCES = {
    "1": _(
        "It carries the label of generated content that Chinese rules ask for ({source}: AIGC). "
        "It states that it was generated, by its own account: anyone can write such a label."
    ),
    "2": _(
        "It carries the label of generated content that Chinese rules ask for ({source}: AIGC). "
        "It states that it was possibly generated, by its own account: anyone can write such a "
        "label."
    ),
    "3": _(
        "It carries the label of generated content that Chinese rules ask for ({source}: AIGC). "
        "It states that a service suspected that it was generated, by its own account: anyone can "
        "write such a label."
    ),
}


def sentence(fact: Fact) -> str | None:
    """Return what a fact states of a generator, in a sentence, or None."""
    about: dict[str, Any] = {"source": fact.source, "name": fact.name, "value": fact.value}
    if fact.group == "generator":
        if fact.name == SOURCE_TYPE:
            if not states_generated(fact.value):
                return None
            text = _(
                "Its {source} states that it was generated, at least in part, by its own account: "
                "anyone can write that."
            )
        elif fact.name == LABEL:
            text = _LABEL_SENTENCES.get(fact.value.removeprefix("Label ")[:1], "")
        elif fact.name == SYSTEM:
            text = _(
                "It states that it was generated by {value} ({source}: {name}), by its own "
                "account: anyone can write that, and it does not say how much was generated."
            )
        elif fact.name.startswith("Settings of"):
            text = _(
                "It holds settings of an image generator ({source}: {name}), by its own account: "
                "anyone can copy such text into a file."
            )
        else:
            return None
        return text.format(**about) if text else None
    if edited := edited_by(fact):
        text = _(
            "It credits a program that edits pictures by a generator: {value} ({source}), by its "
            "own account. That does not say what was changed."
        )
        return text.format(value=edited, source=fact.source)
    if named := generator_named(fact):
        text = _(
            "It names a program that makes pictures: {named} ({source}), by its own account. That "
            "does not prove that the program made it."
        )
        return text.format(named=named, source=fact.source)
    return None
