"""What the command says on a terminal: of several people, and of what it can't take."""

import json

from cli import main
from cli.analyze import summary
from detector.schema.analysis import Label, Question
from tests.support.result_sample import make_analysis

LEADS = "  Most suspicious of {} people: Person B (right), 85 % alone, 00:01 to 00:08 and 00:10 to"


def test_of_several_people_it_is_said_who_leads_and_what_the_others_are():
    two = summary(make_analysis()).splitlines()
    assert two[1].startswith(LEADS.format(2))
    assert two[2] == "  No sign of manipulation found for Person A (left)."
    many = make_analysis(people="ABCDEFG")
    for subject in many.seen:
        if subject.id != many.verdict.subject:
            subject.answers[Question.MANIPULATION].label = Label.INCONCLUSIVE
    lines = summary(many).splitlines()
    assert lines[1].startswith(LEADS.format(7))
    assert lines[2] == "  Inconclusive for 6 more people."


def test_without_a_sign_all_people_are_counted():
    lines = summary(make_analysis(fake=False)).splitlines()
    assert lines[1:3] == [
        "  Most suspicious of 2 people: Person A (left), 9 % alone",
        "  For 2 people, in 32 frames.",
    ]


def test_nothing_is_said_of_one_person_and_nobody_leads_in_a_made_picture():
    for made in (make_analysis(people="A"), make_analysis(people="A", fake=False)):
        assert summary(made).splitlines()[1].startswith("  Is a face fake?")
    generated = summary(make_analysis(whole=3.0)).splitlines()
    assert generated[1].startswith("  Head or picture generated")


LINK = "https://www.example.com/watch?v=abc"


def test_a_link_is_refused_where_none_are_fetched(tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main(["analyze", LINK, "--json", str(out)]) == 2
    assert f"unmask: {LINK}: Links are not fetched here" in capsys.readouterr().err
    tree = json.loads(out.read_text())
    assert (tree["name"], tree["error"]["code"]) == (LINK, "links_off")
    said = "Links are not read here. Download the file first, or give the link on the page, where"
    for command in (
        ["analyze", "a.mp4", "--original", LINK],
        ["compare", "a.mp4", LINK],
        ["robustness", LINK],
    ):
        assert main(command) == 2
        assert capsys.readouterr().err.startswith(f"unmask: {said}")


def test_a_folder_is_told_which_command_takes_it(tmp_path, capsys):
    assert main(["analyze", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "This is a folder, not a file. `unmask batch FOLDER --out DIR`" in error


def test_labels_that_are_no_file_are_said_as_every_other(tmp_path, capsys):
    missing = tmp_path / "missing.csv"
    assert main(["evaluate", str(missing)]) == 2
    assert capsys.readouterr().err == (
        f"unmask: {missing}: There is no such file. Check the path.\n"
    )
    assert main(["evaluate", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"unmask: Nothing in {tmp_path} says which files are real. Put them into the folders real/ "
        "and fake/, or write a CSV of labels.\n"
    )


def test_an_unknown_model_is_told_the_nearest_and_what_lists_all(tmp_path, capsys):
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\na.mp4,real\nb.mp4,fake\n")
    assert main(["evaluate", str(labels), "--models", "nosuch"]) == 2
    error = capsys.readouterr().err
    assert "There is no model 'nosuch'. The nearest are" in error
    assert "`unmask models` lists all." in error and len(error) < 150
