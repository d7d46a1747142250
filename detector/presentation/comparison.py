"""Wording of a comparison of two files: headline, lead, measurements, limits."""

from detector.messages import states
from detector.messages.format import capital, clock, listed, percent, score
from detector.presentation.answers import AnswerRow
from detector.schema.codes import Label
from detector.schema.comparison import ComparedPerson, Comparison, GenerationHint, Span
from detector.sentences import _, ngettext, say

SHORT = 10.0
"""s of a clip under which its times are said in tenths."""


def headline(comparison: Comparison) -> str:
    """Return the finding as a headline: "Same footage; the face differs"."""
    finding = comparison.finding
    if comparison.roles_doubtful:
        return _roles_open(comparison)
    if comparison.accuses:
        return states.proven("copy", comparison.original_media.name)
    part = comparison.excerpt is not None and finding.same_footage
    kind = "laid_over" if finding == "other_edits" and comparison.laid_over else finding.value
    if part and kind not in _SAME:
        kind = "nothing_differs"
    if unstated(comparison) and finding == "nothing_differs" and not part:
        # "Nothing differs" would sound like proof, and the other file may be manipulated itself.
        return _("Both files show the same footage")
    if kind in _SAME:
        return say(_SAME[kind][part]).format(changes=listed(changes(comparison)))
    if finding == "same_movement":
        return _moving(comparison)
    if finding == "not_same_footage":
        return _("Not the same footage")
    return _("The same scene, but whether a face was changed is open")


_SAME = {
    "laid_over": (
        _("Same footage, with something laid over it"),
        _("Part of it is the same footage, with something laid over it"),
    ),
    "other_edits": (
        _("Same footage, changed in more than the face"),
        _("Part of it is the same footage, changed in more than the face"),
    ),
    "transformed": (_("Same footage, {changes}"), _("Part of it is the same footage, {changes}")),
    "nothing_differs": (
        _("Same footage, nothing differs"),
        _("Part of it is the same footage, and nothing differs there"),
    ),
}
"""Heads by what was found: of a copy that shows this footage alone, and other footage, too."""


def _roles_open(comparison: Comparison) -> str:
    """Return the headline if either file may be the manipulated one."""
    if comparison.contradicted:
        text = _("Same footage, another face; {name} was named the original, but the detectors "
                 "suspect it")  # fmt: skip
        if comparison.finding == "mouth_differs":
            text = _("Same footage, another mouth; {name} was named the original, but the "
                     "detectors suspect it")  # fmt: skip
        return text.format(name=called(comparison)[1])
    if not unstated(comparison):
        return _("Same footage, but the “original” is the younger file")
    if comparison.finding == "mouth_differs":
        return _("Same footage, another mouth; we can’t tell which is the original")
    return _("Same footage, another face; we can’t tell which is the original")


def _moving(comparison: Comparison) -> str:
    if comparison.reason == "other_shapes":
        return _("The same scene and movement, but in other shapes")
    if unstated(comparison):
        return _("Another picture, but its face moves as the other file’s")
    return _("Another picture, but its face moves as the original’s")


def unstated(comparison: Comparison) -> bool:
    """Return whether nothing names the other file an original; it may be manipulated itself."""
    return comparison.role_source == "unknown"


def _other(comparison: Comparison) -> str:
    return _("the other file") if unstated(comparison) else _("the original")


def state(comparison: Comparison) -> Label | None:
    """Return the state of a finding: only a copy identical to a known original is cleared; other
    footage in which nothing differs is neither good nor bad."""
    if comparison.accuses:
        return Label.FAKE
    if comparison.finding.manipulated or comparison.finding.undecided:
        return Label.INCONCLUSIVE
    if comparison.excerpt is not None or comparison.finding == "transformed":
        return None
    if comparison.finding == "nothing_differs":
        return None if unstated(comparison) else Label.REAL
    return Label.NOT_APPLICABLE


def row(comparison: Comparison, before: str = "") -> AnswerRow:
    """Return the answer as a row beside those of the detectors; `before` is the short verdict of
    the other file, if that was only analyzed before."""
    answer, seen = short(comparison), unstated(comparison)
    if before and seen and comparison.finding == "nothing_differs":
        text = _("Same footage as {name}, which you analyzed ({answer})")
        answer = text.format(name=comparison.original_media.name, answer=before)
    return AnswerRow(question(seen=seen), answer, state(comparison), leads=comparison.accuses)


def called(comparison: Comparison) -> tuple[str, str]:
    """Return the two files as named within a sentence: by their roles if known, else by name."""
    if comparison.roles_known:
        return _("the copy"), _("the original")
    return names(comparison)


def names(comparison: Comparison) -> tuple[str, str]:
    """Return the names of the two files, numbered if they are equal."""
    first, second = comparison.copy_media.name, comparison.original_media.name
    if first != second:
        return first, second
    one, other = _("{name} (first file)"), _("{name} (second file)")
    return one.format(name=first), other.format(name=second)


def titles(comparison: Comparison) -> tuple[str, str]:
    """Return the headings of the two files: their roles if known, else their names."""
    if comparison.roles_known:
        return _("Suspected copy"), _("Original")
    return names(comparison)


def changes(comparison: Comparison) -> list[str]:
    """Return the global transformations of the copy: "cropped", "mirrored", "slowed to 80 %" …"""
    space, time = comparison.space, comparison.time
    speed = abs(time.rate)
    text = _("slowed to {share:.0f} %") if speed < 1 else _("sped up to {share:.0f} %")
    done = [
        (space.cropped, _("cropped")),
        (space.mirrored, _("mirrored")),
        (space.turned, _("turned")),
        (space.tilted, _("seen at an angle")),
        (space.frame is not None, _("framed")),
        (comparison.grading.graded, _("graded")),
        (time.backwards, _("played backwards")),
        (time.retimed, text.format(share=100 * speed)),
    ]
    return [word for happened, word in done if happened]


ALIGNED = 30
"""percent of a comparison's work after which both files are aligned in time"""
FINDING = _("Finding of the comparison")
NOT_COMPARED = _("The two files could not be compared")


def progress(done: int | None) -> str:
    """Return what a comparison does now, with so many percent `done`; None: it waits."""
    if done is None:
        return _("In line: the comparison begins when others are done")
    return _("Aligning both in time") if done < ALIGNED else _("Measuring what differs")


def lead(comparison: Comparison) -> str:
    """Return the finding in a sentence or two."""
    said = _lead(comparison)
    if comparison.excerpt is None:
        return said
    text = _("The copy shows this original {when}. Of what else it shows this says nothing.")
    if unstated(comparison):
        text = _("{name} shows the other file {when}. Of what else it shows this says nothing.")
    shown = when(comparison, [comparison.excerpt])
    return " ".join([text.format(name=names(comparison)[0], when=shown), said])


def _lead(comparison: Comparison) -> str:
    finding = comparison.finding
    if finding.manipulated:
        said = _("The same footage: {who}, {when}; the rest does not differ.").format(
            who=_only(comparison), when=when(comparison, comparison.spans)
        )
        if not comparison.roles_doubtful:
            return said
        doubt = _("Which of the two was changed is open.")
        hint = suspicion(comparison)
        return " ".join(filter(None, [said, doubt, hint and f"{capital(hint)}."]))
    if finding == "other_edits":
        text = _("The same footage, but more than faces differs, {when}.")
        if comparison.laid_over:
            text = _("Something is laid over the same footage {when}, such as a caption, a logo or "
                     "a watermark. No face differs by more than re-encoding "
                     "explains.")  # fmt: skip
        spans = sorted((s for e in comparison.edits for s in e.spans), key=lambda span: span.start)
        said = text.format(when=when(comparison, spans))
        if comparison.spans:
            faces = _("{who}, {when}.").format(
                who=_whose(comparison), when=when(comparison, comparison.spans)
            )
            said += " " + capital(faces)
        return said
    if finding == "transformed":
        return _("We undid what was done to all of it before measuring; then nothing differs by "
                 "more than re-encoding leaves.")  # fmt: skip
    if finding == "nothing_differs":
        if comparison.identical:
            return _("The two files are the same, byte by byte.")
        if unstated(comparison):
            return _("Re-encoded: whatever differs, differs everywhere alike, and no face differs.")
        return _("Re-encoded: whatever differs, differs everywhere alike. No face was changed "
                 "against this original.")  # fmt: skip
    if finding == "same_movement" and comparison.reason == "other_shapes":
        text = _("The same scene, and a face moves in it as in {other}, at the same moments, but "
                 "shapes differ all over the picture. Either a machine drew it anew, following "
                 "{other}, or an encoder left too little of it to compare. Look at the moments, "
                 "and ask for a better copy.")  # fmt: skip
        return text.format(other=_other(comparison))
    if finding == "same_movement":
        text = _("The pictures are not one recording, yet a face moves as in {other}, at the same "
                 "moments. Either it was generated to follow {other}, or two cameras filmed one "
                 "moment, or the copy is too poor to be laid on {other}. Look at "
                 "both.")  # fmt: skip
        return text.format(other=_other(comparison))
    if finding == "not_same_footage":
        if comparison.reason == "no_common_picture":
            return _("No picture of one was found in the other. The comparison can say nothing "
                     "about manipulation.")  # fmt: skip
        return _("Perhaps the same place and the same person, but another recording. The "
                 "comparison can say nothing about manipulation.")  # fmt: skip
    return _("Shapes differ all over the picture: it was made anew, or an encoder left so little "
             "that a changed face could hide in it. Look at the moments, and ask for a better "
             "copy.")  # fmt: skip


def sentence(comparison: Comparison) -> str:
    """Return the finding in one sentence: "Manipulated copy of rally.mov: the face of Person A
    differs from 00:02 to 00:07, the rest is the same footage"."""
    if comparison.roles_doubtful:
        parts = [headline(comparison), suspicion(comparison)]
        return "; ".join(filter(None, parts))
    if not comparison.accuses:
        return headline(comparison)
    text = _("Manipulated copy of {name}: {who} {when}, the rest is the same footage")
    if comparison.excerpt is not None:
        text = _("Manipulated copy of {name}: {who} {when}; it shows other footage, too")
    return text.format(
        name=comparison.original_media.name,
        who=_whose(comparison),
        when=when(comparison, comparison.spans),
    )


def suspicion(comparison: Comparison) -> str:
    """Return the detectors' scores of both files: "the detectors suspect shared.mp4 (87 against
    19)"; empty unless both were judged."""
    ours, theirs = comparison.copy_score, comparison.original_score
    if ours is None or theirs is None:
        return ""
    high, low = score(max(ours, theirs)), score(min(ours, theirs))
    if comparison.suspected is None:
        text = _("the detectors suspect neither of the two ({first} against {second})")
        if comparison.both_suspected:
            text = _("the detectors suspect both of the two ({first} against {second})")
        return text.format(first=score(ours), second=score(theirs))
    which = names(comparison)[comparison.suspected == "original"]
    text = _("the detectors suspect {name} ({high} against {low})")
    return text.format(name=which, high=high, low=low)


def _only(comparison: Comparison) -> str:
    """Return the one part that differs; of several people, whose."""
    if len(comparison.people) > 1:
        return _whose(comparison)
    mouth = comparison.finding == "mouth_differs"
    return _("only the mouth differs") if mouth else _("only the face differs")


def _whose(comparison: Comparison) -> str:
    people = [person for person in comparison.people if person.changed_region != "none"]
    said = [_part(person) for person in people]
    verb = ngettext("{what} differs", "{what} differ", len(people))
    return verb.format(what=listed(said))


def _part(person: ComparedPerson) -> str:
    text = (
        _("the mouth of Person {id}")
        if person.changed_region == "mouth"
        else _("the face of Person {id}")
    )
    return text.format(id=person.id)


def people(comparison: Comparison) -> list[tuple[str, str]]:
    """Return a row for each of several people with the differing part; empty for one person."""
    if len(comparison.people) < 2:
        return []
    name = _("Person {id}")
    return [
        (name.format(id=person.id), " ".join([differs(comparison, person), span]).strip())
        for person in comparison.people
        for span in [when(comparison, person.spans) if person.spans else ""]
    ]


def differs(comparison: Comparison, person: ComparedPerson) -> str:
    """Return the part of a person that differs: "the mouth differs"."""
    if person.changed_region == "none":
        return _("does not differ") if comparison.finding.same_footage else _("open")
    mouth = person.changed_region == "mouth"
    return _("the mouth differs") if mouth else _("the face differs")


def when(comparison: Comparison, spans: list[Span]) -> str:
    """Return time spans of the copy in words: "from 00:02 to 00:07"."""
    length = comparison.copy_media.duration or 0.0
    if not length:
        return _("in this picture")
    covered = sum(span.end - span.start for span in spans)
    if covered >= 0.95 * length:
        return _("from start to end")
    text = _("from {start} to {end}")
    ends = [[clock(at, tenths=length < SHORT) for at in (s.start, s.end)] for s in spans]
    said = [text.format(start=start, end=end) for start, end in ends]
    if len(said) > 4:
        more = len(said) - 3
        said = [*said[:3], ngettext("{n} more time", "{n} more times", more).format(n=more)]
    return listed(said)


def question(*, seen: bool = False) -> str:
    """Return the question that a comparison answers; a file that was only `seen` before is not
    called an original."""
    return _("Same footage as another file?") if seen else _("Differs from its original?")


def short(comparison: Comparison) -> str:
    """Return the answer in a few words: "Only the face differs"."""
    finding = comparison.finding
    if comparison.roles_doubtful:
        return _("A face differs; which of the two was changed is open")
    if finding.manipulated:
        return capital(_only(comparison))
    if comparison.excerpt is not None and finding in ("transformed", "nothing_differs"):
        return _("Part of it is the same footage; nothing differs there")
    if finding == "transformed":
        done = capital(listed(changes(comparison)))
        return _("{changes}; nothing else differs").format(changes=done)
    seen = unstated(comparison)
    more = _("Something is laid over it") if comparison.laid_over else _("More than faces differs")
    answers = {
        "other_edits": more,
        "nothing_differs": headline(comparison) if seen else _("Nothing differs"),
        "same_movement": _moving(comparison),
        "not_same_footage": _("Not the same footage"),
    }
    return answers.get(
        finding.value, _("Shapes differ all over the picture, and a changed face could hide in it")
    )


def against(comparison: Comparison) -> str:
    """Return the measured differences in a sentence, with what they do not prove."""
    name = comparison.original_media.name
    if comparison.movement is not None:
        text = _("Measured against {name}: heads go together by {head:.2f}, the features in them "
                 "by {features:.2f} (correlation), for {seconds:.1f} s.")  # fmt: skip
        shared = comparison.movement
        head, features = (trace.correlation for trace in shared.traces)
        return text.format(name=name, head=head, features=features, seconds=shared.seconds)
    text = _("Measured against {name}: {rest:.1f} gray levels elsewhere.")
    if comparison.face_difference is not None:
        text = _("Measured against {name}: face {inside:.1f}, elsewhere {rest:.1f} gray levels.")
    rest, inside = comparison.background_difference or 0.0, comparison.face_difference or 0.0
    said = text.format(name=name, inside=inside, rest=rest)
    return " ".join(filter(None, [said, no_proof(comparison)]))


def no_proof(comparison: Comparison) -> str:
    """Return why an identical copy may still be manipulated; empty for other findings."""
    if comparison.finding not in ("nothing_differs", "transformed"):
        return ""
    text = _("That is no proof that it is genuine: {other} may be manipulated itself.")
    return text.format(other=_other(comparison))


def _moves(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the correlation of head and feature movement, its duration and its distance from
    chance."""
    shared = comparison.movement
    if shared is None:
        return []
    names = {"head": _("The head moves alike"), "features": _("The features in it")}
    text = _("{n:.2f} (correlation; 1 is the same)")
    rows = [(names[trace.what], text.format(n=trace.correlation)) for trace in shared.traces]
    text = _("{n:.1f} s, from {start:.1f} s of {copy} and {there:.1f} s of {original} on")
    there, (copy, original) = shared.start + shared.offset, called(comparison)
    told = text.format(
        n=shared.seconds, start=shared.start, there=there, copy=copy, original=original
    )
    chance = _("{score:.1f}, told from {needed:.1f} on; unrelated faces have about 4.6")
    far = chance.format(score=shared.score, needed=shared.needed)
    return [*rows, (_("Over"), told), (_("How far from chance"), far)]


def figures(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the measurements as names and values."""
    rows = _moves(comparison)
    inside, elsewhere, limit = (
        comparison.face_difference,
        comparison.background_difference,
        comparison.noise_threshold,
    )
    if inside is not None:
        rows.append((_("Inside the face"), _("{n:.1f} of 255 gray levels apart").format(n=inside)))
    if elsewhere is not None and limit is not None:
        text = _("{n:.1f} gray levels; re-encoding alone leaves up to {limit:.1f}")
        rows.append((_("Everywhere else"), text.format(n=elsewhere, limit=limit)))
    time, space = comparison.time, comparison.space
    if time.compared and comparison.movement is None:
        text = _("{matched} of {compared}")
        values = {"matched": time.matched, "compared": time.compared}
        rows.append((_("Moments matched"), text.format(**values)))
    if comparison.finding.same_footage and comparison.copy_media.duration:
        text = _("begins at {start:.1f} s of {other}")
        first = time.stretches[0].original_start if time.stretches else time.offset
        other = _other(comparison)
        rows.append((_("In time"), text.format(start=max(0.0, first), other=other)))
    if done := changes(comparison):
        kept = _("{share:.0f} % of the picture kept").format(share=100 * space.kept)
        rows.append((_("All of it"), listed([*done, kept] if space.cropped else done)))
    if comparison.finding.same_footage:
        rows.append((_("Which is the original"), roles(comparison)))
    if comparison.generation.hints:
        said = [hint(entry, called(comparison)) for entry in comparison.generation.hints]
        rows.append((_("Looks like the younger file"), "; ".join(said)))
    scores = [
        f"{name}: {percent(likely)}"
        for name, likely in zip(
            names(comparison), (comparison.copy_score, comparison.original_score), strict=True
        )
        if likely is not None
    ]
    if scores:
        rows.append((_("Detectors, alone"), "; ".join(scores)))
    return rows


def roles(comparison: Comparison) -> str:
    """Return which file is the original, and the source of that."""
    first, second = names(comparison)
    if comparison.generation.proven:
        text = _("{name}: a camera signed it")
        return text.format(name=second if comparison.generation.younger == "copy" else first)
    if comparison.role_source == "registered":
        return _("{name}: it is in the library as an original").format(name=second)
    if comparison.role_source == "stated":
        return _("{name}: a person said so").format(name=second)
    return _("not known: nobody has said so, and nothing proves it")


def stated(comparison: Comparison) -> str:
    """Return who named the original, to its owner; or the question which one it is."""
    text = {
        "stated": _("You said that {name} is the original."),
        "registered": _("Your library has {name} as an original."),
    }.get(comparison.role_source)
    if text is None:
        return _("Which is the original? If you know it, say so: only then does a verdict stand on "
                 "a file’s own page.")  # fmt: skip
    return text.format(name=names(comparison)[1])


def hint(trace: GenerationHint, both: tuple[str, str] | None = None) -> str:
    """Return the evidence that one of the two is the younger file; `both` are their names."""
    texts = {
        "smaller": _("{which} is the smaller picture, {width} × {height}"),
        "fewer_bits": _("{which} has {share:.0f} % of the bits for a picture"),
        "coarser": _("{which} was compressed more, {by} {worse:g} against {better:g}"),
        "later_date": _("{which} states the later date, {date}"),
        "rewritten": _("{which} was written by {software}"),
        "cropped": _("{which} shows a part of the other’s picture"),
        "shorter": _("{which} is a part of the other’s length"),
        "captured": _("a camera signed the other file, so {which} was made from it"),
    }
    copy, original = both or (_("the copy"), _("the original"))
    which = copy if trace.younger == "copy" else original
    return texts[trace.code].format(which=which, **trace.params)


def limits(comparison: Comparison) -> str:
    """Return the limits of a comparison; empty for unrelated files."""
    if comparison.movement is not None and comparison.reason == "other_shapes":
        return _("Which of the two it is: an encoder with few bits can leave as little of a face "
                 "as a machine that drew it anew.")  # fmt: skip
    if comparison.movement is not None:
        return _("Which of the three it is: two cameras at one event show the same movement, and "
                 "no machine was at work. In a few seconds, who says the same sentence at the same "
                 "pace can come as near.")  # fmt: skip
    if not comparison.finding.same_footage:
        return ""
    if comparison.roles_doubtful:
        return _("Which of the two was changed, by whom and why. What the detectors suspect is no "
                 "proof: name the original only if you know it.")  # fmt: skip
    if comparison.finding.manipulated or comparison.finding == "other_edits":
        return _("Who changed it, or why. That the file called the original is itself untouched: "
                 "dates and camera data can be copied.")  # fmt: skip
    text = _("Whether the footage is genuine: {other} may be manipulated itself, and a copy of it "
             "is then as alike. A change shorter than the distance between two moments can lie "
             "between them.")  # fmt: skip
    return text.format(other=_other(comparison))
