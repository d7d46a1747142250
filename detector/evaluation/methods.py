"""What kind of manipulation a method is, from its name, and which question it belongs to."""

from detector.schema.analysis import Question

# Words in a method's name -> family; the first that fits. Everything else is "other".
_FAMILIES = (
    ("talking head", (
        "keyface", "sadtalker", "makeittalk", "pc-avs", "styleheat", "echomimic", "hallo", "loopy",
        "v-express", "omnihuman", "eat", "eamm", "edtalk", "avct", "nerf", "geneface", "sonic",
        "jimeng", "styletalk", "real3d", "emoportraits", "dfrf", "anitalker", "aniportrait",
        "dreamtalk", "speechportraits", "neural voice", "talking", "kdtalker", "musev",
        # Driven by a video in place of a voice: the whole head is made all the same.
        "fomm", "fsrt", "tpsmm", "hyperreenact", "animateanyone", "talk-act",
    )),
    ("avatar", (
        "cap4d", "mvp4d", "gagavatar", "gaussianavatars", "portrait4d", "voodoo3d", "cyberhost",
        "d-id", "animated ai portrait",
    )),
    ("face edit", ("face editing", "face reconstruction", "expression editing")),
    ("lip-sync", ("keysync", "wav2lip", "talklip", "dinet", "hyperlips", "lip")),
    ("reenactment", ("face2face", "neuraltextures")),
    ("face swap", (
        "swap", "deepfake", "faceshifter", "deepfacelive", "dfdc", "ff++", "uadfv", "inswapper",
        "fsgan", "reface", "vividface", "ghost",
    )),
    ("whole image", ("gan", "diffusion")),
)  # fmt: skip


def family(method: str) -> str:
    """Which kind of manipulation a method is, from its name."""
    text = method.lower()
    # "face swap / lip-sync" and "FF++ DeepFakeDetection" are swaps whatever else they name.
    if "face swap" in text:
        return "face swap"
    return next((name for name, words in _FAMILIES if any(w in text for w in words)), "other")


def question(method: str) -> Question:
    """Which question a fake of this method is about."""
    kind = family(method)
    return next((q for q in Question if kind in q.spec.methods), Question.MANIPULATION)
