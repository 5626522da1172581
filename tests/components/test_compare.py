import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.core.errors import Invalid
from parking.core.events import Cause, SlotChanged, SlotState
from tests.components.test_replay import played
from tests.support.replaying import EVERY_MS, START_MS, STORY, archive, picture, recording
from tools.compare.__main__ import main, photographs
from tools.compare.limits import check, limits_of
from tools.compare.page import page
from tools.compare.pictures import Album
from tools.compare.result import Result, as_json, compare, numbers
from tools.compare.timeline import (
    Account,
    Score,
    Shown,
    Timeline,
    differences,
    score,
    timeline,
    timelines,
)
from tools.replay.choice import Choice
from tools.replay.in_process import Played
from tools.replay.runs import RunFacts, write_run

A1 = ("demo", "A1")


def line(*shown: tuple[int, str]) -> Timeline:
    return timeline(Shown(at_ms, state) for at_ms, state in shown)


def account(name: str, timelines_, span=(0, 100_000), **more) -> Account:
    return Account(name, timelines_, *span, **more)


def change(version: int, time_ms: int, to: SlotState, slot: str = "A1") -> SlotChanged:
    return SlotChanged(
        id=f"{slot}/{version}", site_id="demo", time_ms=time_ms, slot_id=slot, zone_id="lot",
        from_state="unknown", to_state=to, version=version, confidence=0.9, reason="observed",
        cause=Cause(kind="frame", id="f"),
    )  # fmt: skip


# ---------------------------------------------------------------- timelines
def test_a_slot_shows_the_state_of_its_last_change():
    shown = line((10, "free"), (20, "occupied"))
    assert [shown.at(t).state for t in (9, 10, 19, 20, 99)] == [
        *("unknown", "free", "free", "occupied", "occupied")
    ]


def test_changes_of_one_moment_leave_the_last():
    assert line((10, "free"), (20, "occupied"), (20, "free"), (30, "occupied")) == line(
        (10, "free"), (30, "occupied")
    )


def test_a_doubled_change_counts_once_and_order_is_by_version():
    changes = [change(2, 20, "occupied"), change(1, 10, "free"), change(2, 20, "occupied")]
    assert timelines(changes)[A1].shown == (
        Shown(10, "free", 0.9, "observed"),
        Shown(20, "occupied", 0.9, "observed"),
    )


def test_flips_see_through_unknown_and_changes_do_not():
    shown = line((0, "free"), (10, "unknown"), (20, "free"), (30, "unknown"), (40, "occupied"))
    assert shown.flips(0, 100) == 1
    assert shown.changes(0, 100) == 4
    assert shown.flips(40, 100) == 0


def test_the_first_known_state_is_not_a_flip():
    assert line((10, "occupied"), (20, "free")).flips(0, 100) == 1


def test_differences_are_reported_with_both_states_and_their_length():
    a = line((0, "free"), (10_000, "occupied"), (50_000, "free"))
    b = line((0, "free"), (12_000, "occupied"), (50_000, "unknown"))
    found = differences(A1, a, b, 0, 60_000)
    assert [(d.from_ms, d.to_ms, d.a.state, d.b.state) for d in found] == [
        (10_000, 12_000, "occupied", "free"),
        (50_000, 60_000, "free", "unknown"),
    ]
    assert [d.seconds for d in found] == [2, 10]


def test_a_difference_at_the_very_end_counts_though_it_lasts_no_time():
    found = differences(A1, line((0, "free")), line((0, "free"), (60, "occupied")), 0, 60)
    assert [d.seconds for d in found] == [0]


STATES = st.sampled_from(["free", "occupied", "unknown", "closed"])
LINES = st.lists(st.tuples(st.integers(0, 100), STATES), max_size=12).map(
    lambda some: line(*sorted(some, key=lambda one: one[0]))
)


@given(LINES, LINES)
def test_differences_are_exactly_the_moments_at_which_two_differ(a, b):
    found = differences(A1, a, b, 0, 100)
    inside = {t for d in found for t in range(d.from_ms, d.to_ms)}
    assert inside == {t for t in range(100) if a.at(t).state != b.at(t).state}


@given(LINES)
def test_nothing_differs_from_itself(a):
    assert differences(A1, a, a, 0, 100) == []


def test_a_score_tells_wrong_from_unknown():
    shown = line((10, "free"), (20, "occupied"), (30, "closed"))
    result = score(shown, [(5, True), (10, False), (12, True), (25, True), (31, True)])
    assert result == Score(right=2, wrong=1, unknown=2)
    assert result.accuracy == pytest.approx(2 / 3)
    assert result.unknown_share == pytest.approx(0.4)
    assert Score().accuracy is None


# ---------------------------------------------------------------- the whole
def known() -> Result:
    """Return two slots over 100 s, with every number calculated by hand."""
    a = account("old", {
        A1: line((0, "free"), (40_000, "occupied")),
        ("demo", "A2"): line((0, "free")),
    })  # fmt: skip
    b = account("new", {
        A1: line((0, "free"), (50_000, "occupied"), (60_000, "free"), (70_000, "occupied")),
        ("demo", "A2"): line((0, "free")),
    })  # fmt: skip
    truth = {A1: [(t * 1000, t >= 45) for t in range(0, 100, 10)]}
    return compare(a, b, truth)


def test_the_numbers_are_those_reckoned_by_hand():
    assert numbers(known()) == {
        "slots": 2,
        "slots_different": 1,
        "differences": 2,
        "seconds_different": 20,
        "share_different": pytest.approx(0.1),
        "a.changes": 1,
        "a.flips": 1,
        "a.wrong": 1,  # at 40 s
        "a.accuracy": pytest.approx(0.9),
        "a.unknown_share": 0,
        "b.changes": 3,
        "b.flips": 3,
        "b.wrong": 1,  # at 60 s
        "b.accuracy": pytest.approx(0.9),
        "b.unknown_share": 0,
        "true_flips": 1,
    }


def test_only_the_span_that_both_cover_is_compared():
    a = account("a", {A1: line((0, "free"), (10_000, "occupied"))}, (0, 30_000))
    b = account("b", {A1: line((0, "free"), (25_000, "occupied"))}, (20_000, 99_000))
    figures = numbers(compare(a, b))
    assert (figures["a.changes"], figures["b.changes"], figures["seconds_different"]) == (0, 1, 5)
    with pytest.raises(Invalid, match="different times"):
        compare(a, account("c", {}, (31_000, 40_000)))


def test_a_slot_that_one_side_does_not_know_is_unknown_there():
    result = compare(account("a", {A1: line((0, "free"))}), account("b", {}))
    assert [(d.a.state, d.b.state) for d in result.differences] == [("free", "unknown")]


def test_the_json_holds_the_same_numbers():
    figures = json.loads(json.dumps(as_json(known())))
    assert figures["numbers"]["seconds_different"] == 20
    assert [slot["slot_id"] for slot in figures["slots"]] == ["A1", "A2"]
    assert figures["slots"][0]["a"]["wrong"] == 1


# ---------------------------------------------------------------- limits
@pytest.mark.parametrize(
    ("limit", "fails"),
    [
        ("accuracy < 0.98", True),
        ("b.accuracy<0.9", False),
        ("b.flips > a.flips", True),
        ("flips > true_flips", True),
        ("slots_different == 1", True),
        ("seconds_different >= 20.5", False),
    ],
)
def test_a_limit_says_when_to_fail(limit, fails):
    (one,) = check([limit], numbers(known()))
    assert one.fails == fails


def test_limits_that_cannot_be_checked_are_no_pass():
    without = numbers(replace(known(), slots=known().slots[1:]))
    with pytest.raises(Invalid) as caught:
        check(["accuracy < 0.5", "speed > 3", "flips over 3"], without)
    assert "accuracy needs annotations" in caught.value.detail
    assert "speed is not one of" in caught.value.detail
    assert "'flips over 3'" in caught.value.detail


@pytest.mark.parametrize("file", [{}, {"fail_if": "x"}, {"fail_if": ["a < 1"], "fail-if": []}])
def test_a_limits_file_must_say_what_it_means(file):
    with pytest.raises(Invalid):
        limits_of(file)


# ---------------------------------------------------------------- page and command
SETTINGS = (Choice(), Choice(tracker={"exit_observations": 5}))


def account_of(result: Played, chosen: Choice) -> Account:
    span = (START_MS + EVERY_MS, START_MS + 15 * EVERY_MS)
    seen = {
        made.id: {o.slot_id: (o.state, o.confidence) for o in made.observations}
        for made in result.detections
    }
    changes = [e for e in result.outputs if isinstance(e, SlotChanged)]
    return Account("<b>&", timelines(changes), *span, seen, dict(chosen.tracker))


class Read(HTMLParser):
    """Checks that tags are closed, and keeps what matters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def two() -> tuple[Played, Played]:
    """Return the same pictures under two settings."""
    a, b = (played(recording(), chosen) for chosen in SETTINGS)
    return a, b


@pytest.fixture(scope="module")
def result(two) -> Result:
    a, b = map(account_of, two, SETTINGS)
    return compare(a, b)


@pytest.fixture(scope="module")
def shown(result) -> str:
    shots = photographs(result, Album(recording()), 9)
    return page(result, shots, check(["slots_different > 0", "flips > 9"], numbers(result)))


def test_the_page_needs_nothing_else(shown):
    read = Read(shown)
    assert not read.all("script")
    assert not read.all("link")
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", shown)
    assert addresses
    assert all(address.startswith(("data:image/jpeg;base64,", "#")) for address in addresses)
    assert "http" not in shown


def test_the_page_says_in_words_what_it_draws(shown):
    read = Read(shown)
    drawn = [svg for svg in read.all("svg") if svg.get("aria-hidden") != "true"]
    assert drawn
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in drawn)
    assert any("A shows free; B shows occupied" in (svg["aria-label"] or "") for svg in drawn)


def test_each_picture_is_linked_from_its_bar(shown):
    read = Read(shown)
    cards = {card["id"] for card in read.all("article")}
    links = {(link["href"] or "")[1:] for link in read.all("a")} - {"slots"}
    assert cards == links != set()


def test_names_are_text_and_nothing_else(shown):
    assert "&lt;b&gt;&amp;" in shown
    assert "<b>&<" not in shown


def test_the_outline_lies_inside_its_cut_out(result):
    shots = photographs(result, Album(recording()), 9)
    assert shots
    for difference, shot in shots.items():
        width, height = shot.size_wh
        assert all(0 <= x <= width and 0 <= y <= height for x, y in shot.outline)
        assert difference.from_ms <= shot.frame.time_ms <= difference.to_ms


@pytest.fixture(scope="module")
def runs(two, tmp_path_factory):
    """Return the folders of two runs."""
    folder = tmp_path_factory.mktemp("runs")
    for name, run, chosen in zip("ab", two, SETTINGS, strict=True):
        facts = RunFacts(
            run=name, source="none", how="in-process", model_id="white", detector={},
            tracker=chosen.tracker, from_ms=START_MS, to_ms=START_MS + 15 * EVERY_MS,
        )  # fmt: skip
        write_run(folder / name, facts, run)
    return folder


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ('fail_if = ["slots_different > 3"]', 0),
        ('fail_if = ["slots_different > 0"]', 1),
        ('fail_if = ["accuracy < 0.98"]', 2),
        ("fail_if = 3", 2),
        ("not toml", 2),
    ],
)
def test_the_exit_status_is_for_ci(runs, limits, status, capsys):
    (runs / "limits.toml").write_text(limits)
    with pytest.raises(SystemExit) as ended:
        main([str(runs / "a"), str(runs / "b"), "--limits", str(runs / "limits.toml")])
    assert ended.value.code == status
    out = capsys.readouterr()
    assert ("FAIL" in out.out) == (status == 1)
    assert bool(out.err) == (status == 2)


def test_limits_may_be_json_and_the_numbers_are_written(runs, capsys):
    (runs / "limits.json").write_text('{"fail_if": ["differences > 5"]}')
    with pytest.raises(SystemExit) as ended:
        main([str(runs / "a"), str(runs / "b"), "--limits", str(runs / "limits.json"),
              "--json", str(runs / "out.json")])  # fmt: skip
    assert ended.value.code == 0
    figures = json.loads((runs / "out.json").read_text())
    assert figures["limits"] == [{"limit": "differences > 5", "fails": False, "numbers": "4 > 5"}]
    assert "A1" in capsys.readouterr().out


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Return annotations by which A1 is always free, and the archive of their pictures."""
    folder = tmp_path_factory.mktemp("labelled")
    frames = []
    for number, slot in enumerate(STORY, 1):
        file = f"{number}.jpg"
        (folder / file).write_bytes(picture((slot,) if slot else (), number))
        slots = [{"id": "A1", "occupied": 0, "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}]
        frames.append({"file": file, "camera": "north", "slots": slots})
    (folder / "annotations.json").write_text(json.dumps({"frames": frames}))
    archive(folder / "made.zip", recording())
    return folder


@pytest.mark.parametrize("limit", ["accuracy < 0.98", "b.wrong > 0", "flips > a.flips"])
def test_a_single_run_is_compared_with_the_annotations(runs, labelled, limit, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(runs / "a"), "--truth", str(labelled), "--frames", str(labelled / "made.zip"),
              "--fail-if", limit])  # fmt: skip
    assert ended.value.code == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[:2] == ["A", "annotations"]
    assert shown[1].split()[:2] == ["B", "a"]


def test_incomparable_sides_are_reported(runs, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(runs / "a"), str(runs)])
    assert ended.value.code == 2
    assert "is not a run" in capsys.readouterr().err
