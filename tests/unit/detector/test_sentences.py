"""Messages: in the reader's language, with what was filled in, also after they were kept."""

import copy
import gettext
import pickle

import pytest
from pydantic import TypeAdapter

from detector import sentences as texts
from detector.schema.base import EnglishSentence, Sentence, StrictModel
from detector.sentences import Message, MessageSpec, _, count, join, ngettext, numeral, say, spec_of


class Loud:
    """A language that is English in capitals; one and two are "few", and numbers are German."""

    def info(self):
        return {"language": "de"}

    def gettext(self, message):
        return message.upper().replace("{NAME}", "{name}").replace("{FILES}", "{files}")

    def ngettext(self, one, many, number):
        return f"few {many}" if number <= 2 else f"lots of {many}"


class German(gettext.NullTranslations):
    def info(self):
        return {"language": "de"}


def sentences():
    yield _("No file."), "No file.", "NO FILE."
    yield _("{name} is full.").format(name="a{b}.mp4"), "a{b}.mp4 is full.", "a{b}.mp4 IS FULL."
    yield ngettext("file", "files", 1), "file", "few files"
    yield count(1200, "file", "files"), "1,200\u00a0files", "1.200\u00a0lots of files"
    yield (
        join(_("At most {files}.").format(files=count(2, "file", "files")), "", _("Wait.")),
        "At most 2\u00a0files. Wait.",
        "AT MOST 2\u00a0few files. WAIT.",
    )


@pytest.mark.parametrize(("message", "english", "loud"), list(sentences()))
def test_a_message_is_english_and_can_be_said_otherwise(message, english, loud):
    assert message == english and isinstance(message, str)
    spec = TypeAdapter(MessageSpec)
    kept = Message(spec.validate_json(spec.dump_json(message.spec)))
    for other in (message, kept, copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert other == english
        with texts.use(Loud()):
            assert say(other) == loud and texts.english(say(other)) == english


def test_a_text_that_is_no_message_is_looked_up():
    with texts.use(Loud()):
        assert say("No file.") == "NO FILE." and spec_of("No file.") is None
        assert say("") == ""


def test_what_is_filled_in_is_taken_by_what_it_says():
    broken = _("{name} can't be read").format(name=OSError("no such disk"))
    assert broken == "no such disk can't be read"
    assert broken.spec.params == {"name": "no such disk"}
    with pytest.raises(TypeError, match="names"):
        _("{}").format("x")


@pytest.mark.parametrize(
    ("value", "spec", "english", "german"),
    [
        (1348, ",", "1,348", "1.348"), (0.834, ".2f", "0.83", "0,83"), (12.0, "g", "12", "12"),
        (-33.4, ".3g", "−33.4", "−33,4"), (-1348, ",", "−1,348", "−1.348"),
    ],
)  # fmt: skip
def test_a_number_has_the_separators_of_the_language_and_a_minus_sign(value, spec, english, german):
    written = numeral(value, spec)
    assert written == english and texts.separators() == ".,"
    full = _("{size:,.1f} GB of {name}").format(size=1348.25, name="a,b.mp4")
    below = _("{level:.1f} dB at -{place}").format(level=-33.42, place="-1")
    with texts.use(German()):
        assert say(written) == numeral(value, spec) == german and texts.separators() == ",."
        assert say(full) == "1.348,2 GB of a,b.mp4" and say(below) == "−33,4 dB at --1"
    assert below == "−33.4 dB at --1"


def test_the_space_of_a_count_does_not_break():
    assert count(3, "file", "files") == f"3{texts.NBSP}files"


def test_a_download_speaks_the_language_it_was_asked_for_in():
    with texts.use(Loud()):
        make = texts.spoken(lambda: str(_("No file.")))
    assert (make(), str(_("No file."))) == ("NO FILE.", "No file.")


def test_a_result_keeps_what_a_sentence_is_made_of_and_json_is_english():
    with texts.use(Loud()):
        media = Note(text=_("{name} is full.").format(name="a"), error=_("No file."))
    assert media.text == "a IS FULL."
    tree = media.model_dump(mode="json")
    assert tree == {
        "text": {"text": "{name} is full.", "params": {"name": "a"}},
        "error": "No file.",
    }
    again = Note.model_validate(tree)
    assert (again.text, again.error) == ("a is full.", "No file.")
    with texts.use(Loud()):
        assert (say(again.text), say(again.error)) == ("a IS FULL.", "NO FILE.")
    assert Note(text="A plain one.", error="").text == "A plain one."


class Note(StrictModel):
    text: Sentence
    error: EnglishSentence
