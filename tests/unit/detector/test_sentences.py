"""Messages: English until an edge says them, with what was filled in, also after they were kept."""

import copy
import pickle

import pytest

from detector import sentences as texts
from detector.sentences import ENGLISH, Message, MessageSpec, _, count, join, ngettext, say, spec_of


class Loud:
    """A language that is English in capitals; one and two are "few"."""

    def gettext(self, message):
        return message.upper().replace("{NAME}", "{name}").replace("{FILES}", "{files}")

    def ngettext(self, one, many, number):
        return f"few {many}" if number <= 2 else f"lots of {many}"


def sentences():
    yield _("No file."), "No file.", "NO FILE."
    yield _("{name} is full.").format(name="a{b}.mp4"), "a{b}.mp4 is full.", "a{b}.mp4 IS FULL."
    yield ngettext("file", "files", 1), "file", "few files"
    yield count(1200, "file", "files"), "1,200\u00a0files", "1,200\u00a0lots of files"
    yield (
        join(_("At most {files}.").format(files=count(2, "file", "files")), "", _("Wait.")),
        "At most 2\u00a0files. Wait.",
        "AT MOST 2\u00a0few files. WAIT.",
    )


@pytest.mark.parametrize(("message", "english", "loud"), list(sentences()))
def test_a_message_is_english_and_can_be_said_otherwise(message, english, loud):
    assert message == english == say(message, ENGLISH) and isinstance(message, str)
    assert say(message, Loud()) == loud
    kept = Message(MessageSpec.model_validate_json(message.spec.model_dump_json()))
    for other in (kept, copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert other == english and say(other, Loud()) == loud


def test_a_text_that_is_no_message_is_looked_up():
    assert say("No file.", Loud()) == "NO FILE." and spec_of("No file.") is None
    assert say("", Loud()) == ""


def test_what_is_filled_in_is_taken_by_what_it_says():
    broken = _("{name} can't be read").format(name=OSError("no such disk"))
    assert broken == "no such disk can't be read"
    assert broken.spec.params == {"name": "no such disk"}
    with pytest.raises(TypeError, match="names"):
        _("{}").format("x")


def test_the_space_of_a_count_does_not_break():
    assert count(3, "file", "files") == f"3{texts.NBSP}files"
