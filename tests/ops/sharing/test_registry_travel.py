"""Two people register and promote without knowing of each other: what pull foretells, push does and tells."""

from __future__ import annotations

from gtrack.ops.checks.verify_registry import verify_registry
from gtrack.ops.sharing.pull import pull
from gtrack.ops.sharing.push import push
from gtrack.registry.renaming import Renamed
from gtrack.render.sharing import problems_of, pushed_data
from tests.conftest import run_git
from tests.ops.sharing.people import Person


def test_a_version_that_becomes_another_number_is_told_by_the_push(ana: Person, ben: Person) -> None:
    [one], [two] = ana.runs("one"), ben.runs("two")
    ana.project.registry.register("churn", one.id)
    ben.project.registry.register("churn", two.id)
    ben.project.registry.assign("churn", 1, "production")
    ana.project.registry.assign("churn", 1, "staging")
    push(ana.project)
    [version] = pull(ben.project).tags.problems
    assert version.startswith("churn@v1.0.0 is Ana's on origin, and another one here. Yours was kept; ")
    assert version.endswith("'gtrack push' publishes it as churn@v2.0.0 (v2).")
    pushed = push(ben.project)
    assert pushed.tags.renamed[0] == Renamed(
        "churn@v1.0.0", "churn@v2.0.0", published=True, run="two", number="1", new_number="2", who="Ana"
    )
    said = problems_of(None, pushed)
    assert said[0] == "churn v1 of run two was published as v2: v1 is Ana's. (v1.0.0 here became v2.0.0.)"
    assert (
        said[1]
        == "churn#production#1 of run two was published as churn#production#2, as Ana was quicker with that number."
    )
    assert pushed_data(pushed)["renumbered"][0]["new_number"] == "2"
    assert pushed_data(push(ben.project))["renumbered"] == []


def test_the_same_run_registered_by_both_is_the_one_of_the_remote(ana: Person, ben: Person) -> None:
    [one] = ana.runs("one")
    push(ana.project)
    pull(ben.project)
    ben.project.registry.register("churn", one.id)
    ana.project.registry.register("churn", one.id)
    verify_registry(ana.project)
    push(ben.project)
    [foretold] = pull(ana.project).tags.problems
    assert foretold.endswith("'gtrack push' lets it go, as churn@v1.0.0 there says the same.")
    pushed = push(ana.project)
    [said] = problems_of(None, pushed)
    assert (
        said
        == "churn@v1.0.0 of run one, which was only here, gave way to churn@v1.0.0 of origin, by Ben, which says the same."
    )
    assert ana.git("rev-parse", "churn@v1.0.0") == ben.git("rev-parse", "churn@v1.0.0")
    found = verify_registry(ana.project)
    assert found.errors == []
    assert "and churn@v1.0.0, which a remote has, took its place" in found.notes[0].text
    assert verify_registry(ana.project).findings == ()


def test_a_promotion_that_was_overtaken_is_told_alike_and_its_advice_ends_well(ana: Person, ben: Person) -> None:
    [one, two] = ana.runs("one", "two")
    for run in (one, two):
        ana.project.registry.register("churn", run.id)
    push(ana.project)
    pull(ben.project)
    ana.project.registry.assign("churn", 1, "production")
    ana.project.registry.register("churn", ana.runs("three")[0].id)
    ana.project.registry.register("fraud", two.id)
    verify_registry(ana.project)
    ben.project.registry.assign("churn", 2, "production")
    _later(ben, "churn#production#1")
    push(ben.project)
    [foretold] = pull(ana.project).tags.problems
    pushed = push(ana.project)
    [told] = problems_of(None, pushed)
    for text in (foretold, told):
        assert "was overtaken: Ben <ben@example.org> has published churn#production#1 after it" in text
    assert told.endswith(" Until then churn@v3.0.0 waits, too.")
    assert (pushed.tags.versions, pushed.tags.tags) == (1, 1)  # of the other model
    ana.git("tag", "-d", "churn#production#1")
    pushed = push(ana.project)
    assert (pushed.tags.versions, pushed.tags.problems) == (1, ())
    found = verify_registry(ana.project)
    assert found.errors == []
    assert [finding.tag for finding in found.notes] == ["churn#production#1"]


def _later(person: Person, name: str) -> None:
    """Make a tag anew, of a minute later: the seconds of the two promotions may be one."""
    text = person.git("cat-file", "tag", name)
    head, mark, rest = text.partition("\n\n")
    *lines, tagger = head.splitlines()
    who, seconds, zone = tagger.rsplit(" ", 2)
    made = "\n".join([*lines, f"{who} {int(seconds) + 60} {zone}"]) + mark + rest
    oid = run_git("mktag", cwd=person.root, stdin=f"{made}\n")
    person.git("update-ref", f"refs/tags/{name}", oid)
