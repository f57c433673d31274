"""Methods of other packages: their options, sentence and parts; which of them are loaded; whom a broken one hurts."""

import json
import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from plugin_folder import PLUGIN, install

from conftest import CODE, outcome_of, write_suite
from cpbench.benchmark.checks.conformance import CHECKS
from cpbench.benchmark.cli.console import parse_settings
from cpbench.benchmark.errors import BadInput, CpbenchError
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.records.reading import read_records
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.methods import plugins
from cpbench.methods.build import CONSOLIDATIONS
from cpbench.methods.catalogue import CATALOGUE
from cpbench.methods.configure import options_of
from cpbench.methods.descriptions import OPTIONS
from cpbench.methods.plugins import MethodInfo, Option, about, describe, described
from cpbench.methods.registry import choose, recorded
from cpbench.methods.search_space import space
from cpbench.reports.analysis.board import by_method
from cpbench.reports.analysis.entry import entries_of
from synthetic import record


def plain(backbone, seed):
    """Learns nothing at all.

    And this is not its sentence.
    """


@describe("Adds a term.", adapter="lora", consolidations=["term"], paper="https://x.org", options={"rate": "step size"})
def optional(backbone, seed, *, rate: float = 0.5, twice=False, rank=4, rule="mean", other=None):
    return rate, twice, rank, rule, other


class Factory:
    """A class is a factory too."""

    def __init__(self, backbone, seed, strength=2.0):
        self.strength = strength


@pytest.fixture
def publish(monkeypatch):
    """Publishes methods of packages: (name, what is loaded or an error, package, version); counts what is loaded."""

    def published(*methods):
        points, loads = [], []
        for name, loaded, owner, version in methods:

            def load(loaded=loaded, name=name):
                loads.append(name)
                if isinstance(loaded, Exception):
                    raise loaded
                return loaded

            package = SimpleNamespace(name=owner, version=version) if owner else None
            points.append(SimpleNamespace(name=name, value=f"{owner or 'theirs'}:make", load=load, dist=package))
        monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == plugins.GROUP else [])
        return loads

    return published


# --- options --------------------------------------------------------------------------------------------------------


def test_a_new_version_of_a_package_is_another_method_whose_states_are_not_found(publish, suite):
    planner = Planner(suite, load_profile("toybox"), "tiny", "w", "cpu", "float32", {}, code=CODE)
    keys = []
    for version in ("1.0", "1.0", "1.1"):
        publish(("their-method", plain, "theirs", version))
        (method,) = choose("their-method", {})
        assert method.options == {"factory": "theirs:make", "package": f"theirs {version}"}
        assert method.make is plain
        keys.append(planner.trains(method, (0,), 0)[0].key)
    assert keys[0] == keys[1] != keys[2]


def test_a_method_of_no_package_is_known_by_its_factory_alone(publish):
    publish(("their-method", plain, None, ""))
    assert choose("their-method", {})[0].options == {"factory": "theirs:make"}


def test_the_options_of_a_plug_in_are_set_recorded_and_part_of_its_keys(publish, suite):
    publish(("o", optional, "theirs", "1.0"), ("c", Factory, "theirs", "1.0"))
    planner = Planner(suite, load_profile("toybox"), "tiny", "w", "cpu", "float32", {}, code=CODE)
    settings = {"o.rate": "0.25", "o.twice": "true", "o.rank": "8", "o.rule": "sum"}
    usual, changed = choose("o", {})[0], choose("o", settings)[0]
    assert usual.options["o"] == {"rate": 0.5, "twice": False, "rank": 4, "rule": "mean"}
    assert usual.make(None, 0) == (0.5, False, 4, "mean", None)
    assert changed.options["o"] == {"rate": 0.25, "twice": True, "rank": 8, "rule": "sum"}
    assert changed.make(None, 0) == (0.25, True, 8, "sum", None)
    assert len({planner.trains(method, (0,), 0)[0].key for method in (usual, changed)}) == 2
    assert choose("c", {"c.strength": "3"})[0].make(None, 0).strength == 3
    again = recorded("o", json.loads(json.dumps(changed.options)))
    assert again.options == changed.options and again.make(None, 0) == changed.make(None, 0)
    assert pickle.loads(pickle.dumps(changed)).make(None, 0) == changed.make(None, 0), "it travels to other processes"


@given(st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.integers(), st.text(max_size=9))
def test_what_is_set_is_what_the_factory_receives(rate, twice, rank, rule):
    assume(rule.isprintable())
    with pytest.MonkeyPatch.context() as patch:
        point = SimpleNamespace(name="o", value="theirs:make", load=lambda: optional, dist=None)
        patch.setattr(plugins, "entry_points", lambda group: [point])
        given = {"rate": rate, "twice": twice, "rank": rank, "rule": rule}
        (made,) = choose("o", {f"o.{name}": str(value) for name, value in given.items()})
        assert made.make(None, 0)[:4] == (rate, twice, rank, rule)
        assert recorded("o", made.options).options == made.options


def test_an_option_that_a_plug_in_lacks_is_refused_with_those_that_it_has(publish):
    publish(("o", optional, "theirs", "1.0"), ("p", plain, "theirs", "1.0"))
    with pytest.raises(BadInput, match=r"o\.strength: no option of method 'o'; its options: o\.rate, o\.twice"):
        choose("o", {"o.strength": "1"})
    with pytest.raises(BadInput, match=r"o\.rate=much: give a finite number\."):
        choose("o", {"o.rate": "much"})
    with pytest.raises(BadInput, match=r"p\.rate: no option of method 'p'; its options: none"):
        choose("p", {"p.rate": "1"})
    with pytest.raises(BadInput, match=r"dsc\.rate: no option of method 'o'"):
        choose("o,lora", {"dsc.rate": "1"})
    with pytest.raises(BadInput, match="no longer has the options of the record"):
        recorded("o", {"factory": "theirs:make", "o": {"strength": 1.0}})


def keyworded(backbone, seed, *, rate: float = 0.5):
    return rate


class Unsigned:
    """Has no signature, as some functions of C."""

    __signature__ = "none"

    def __call__(self, backbone, seed):
        return "made"


def demanding(backbone, seed, rate):
    return rate


def test_whatever_can_be_wrong_with_a_setting_of_a_plug_in_is_named(publish):
    publish(("o", optional, "theirs", "1.0"), ("k", keyworded, "theirs", "1.0"), ("u", Unsigned(), "theirs", "1.0"))
    assert choose("k", {"k.rate": "2"})[0].make(None, 0) == 2.0
    for names, key, text, reason in (
        ("o", "o.other", "3", r"o\.other: cannot be set, since its default in theirs:make is None"),
        ("o", "o.backbone", "3", r"o\.backbone: no option of method 'o'"),
        ("o", "o.a.b", "3", r"o\.a\.b: no option of method 'o'"),
        ("o", "o.rank", "1.5", r"o\.rank=1\.5: give a whole number\."),
        ("o", "o.twice", "yes", r"o\.twice=yes: give true or false\."),
        ("o", "o.rate", "nan", r"o\.rate=nan: give a finite number\."),
        ("u", "u.rate", "1", r"u\.rate: no option of method 'u'; its options: none"),
        ("lora", "o.rate", "1", r"o\.rate: 'o' is not among the methods lora; add it"),
    ):
        with pytest.raises(BadInput, match=reason):
            choose(names, {key: text})


def test_a_factory_that_asks_for_more_than_a_model_and_a_seed_is_refused_before_any_work(publish):
    publish(("d", demanding, "theirs", "1.0"))
    with pytest.raises(CpbenchError, match=r"'d' \(theirs 1\.0, .*factory\(backbone, seed\): missing .*'rate'"):
        choose("d", {})
    assert "'rate'" in about("d").fault


@given(st.lists(st.text(alphabet="o.rate=twick 1", max_size=12), max_size=3))
def test_no_setting_whatever_it_is_ends_in_another_error_than_a_sentence(texts):
    with pytest.MonkeyPatch.context() as patch:
        point = SimpleNamespace(name="o", value="theirs:make", module="theirs", load=lambda: optional, dist=None)
        patch.setattr(plugins, "entry_points", lambda group: [point])
        try:
            (made,) = choose("o", parse_settings(texts))
        except BadInput as error:
            assert "--set" in str(error) and str(error).endswith(".")
        else:
            assert made.options["o"].keys() == {"rate", "twice", "rank", "rule"}


def test_a_setting_that_is_given_twice_is_refused():
    with pytest.raises(BadInput, match=r"--set o\.rate is given twice"):
        parse_settings(["o.rate=1", "o.rank=2", "o.rate=3"])


def test_a_record_of_a_package_that_is_gone_or_has_changed_is_answered_with_what_to_do(publish):
    publish(("o", optional, "theirs", "2.0"))
    gone = {"factory": "ours:make", "package": "ours 1.0", "q": {"rate": 1.0}}
    with pytest.raises(BadInput, match=r"method 'q' is part of ours 1\.0, which is not installed; install it"):
        recorded("q", gone)
    for value in ("fast", None, [1.0]):
        with pytest.raises(BadInput, match="no longer has the options of the record"):
            recorded("o", {"factory": "theirs:make", "o": {"rate": value}})
    assert recorded("o", {"factory": "theirs:make", "o": {"rate": 1}}).make(None, 0)[0] == 1


def test_two_settings_of_a_plug_in_are_two_rows_of_a_board():
    options = [{"factory": "a:b", "package": "theirs 1.0", "o": {"rate": rate}} for rate in (0.5, 1.0)]
    runs = [record("o", options=own) for own in options]
    assert set(by_method(entries_of(runs))) == {"o (o.rate=0.5)", "o (o.rate=1.0)"}


def test_a_setting_reaches_the_plug_in_that_has_it_beside_methods_of_the_catalogue(publish):
    publish(("o", optional, "theirs", "1.0"))
    mine, lora = choose("o,lora", {"o.rank": "2", "lora.rank": "3"})
    assert mine.options["o"]["rank"] == 2 and lora.options["lora"]["rank"] == 3


def test_a_plug_in_has_nothing_to_tune(publish):
    publish(("o", optional, "theirs", "1.0"))
    assert space("o") == {}


# --- which are loaded, and what is wrong with them ------------------------------------------------------------------


def test_only_the_plug_in_that_is_asked_for_is_loaded(publish):
    loads = publish(("o", optional, "theirs", "1.0"), ("broken", ImportError("x"), "theirs", "1.0"))
    choose("lora", {}), choose("all", {}), described(["lora", "ewc"]), about("ti")
    assert loads == []
    choose("o", {}), about("o"), described(["o", "unknown"])
    assert set(loads) == {"o"}


def test_all_is_the_catalogue_and_plug_ins_come_with_all_plus_plugins(publish):
    publish(("o", optional, "theirs", "1.0"), ("a", plain, "theirs", "1.0"))
    assert [m.name for m in choose("all", {})] == list(CATALOGUE)
    assert [m.name for m in choose("all+plugins", {})] == [*CATALOGUE, "a", "o"]


def test_a_broken_plug_in_hurts_only_who_asks_for_it_and_is_named_with_its_owner(publish):
    publish(("broken", ImportError("no module named theirs"), "theirs", "1.0"), ("odd", 3, "theirs", "1.0"))
    assert choose("lora", {})[0].name == "lora"
    for names in ("broken", "all+plugins"):
        with pytest.raises(CpbenchError, match=r"'broken' \(theirs 1\.0, theirs:make\) cannot be loaded: ImportError"):
            choose(names, {})
    with pytest.raises(CpbenchError, match=r"'odd' .* is no factory"):
        choose("odd", {})
    assert "no module named theirs" in about("broken").fault == about("broken").sentence
    assert about("broken").owner == "theirs 1.0"


def test_two_packages_that_claim_a_name_are_both_named_and_others_go_on(publish):
    publish(("twice", plain, "one", "1.0"), ("twice", plain, "two", "2.0"), ("lora", plain, "three", "3.0"))
    for name, owners in (("twice", r"one 1\.0, one:make and by two 2\.0"), ("lora", r"cpbench and by three 3\.0")):
        with pytest.raises(BadInput, match=rf"'{name}' is published twice: by {owners}"):
            choose(name, {})
        assert "published twice" in described()[name].fault
    assert choose("ewc", {})[0].name == "ewc" and not about("ewc").fault


def test_an_unknown_method_is_answered_with_the_nearest_plug_ins_included(publish):
    publish(("their-method", plain, "theirs", "1.0"))
    for ask in (about, lambda name: choose(name, {})):
        with pytest.raises(BadInput, match="did you mean their-method"):
            ask("their-methot")


# --- in words -------------------------------------------------------------------------------------------------------


def test_a_plug_in_is_described_by_its_decorator_or_else_by_its_docstring(publish):
    publish(("o", optional, "theirs", "1.0"), ("p", plain, None, ""), ("c", Factory, "theirs", "1.0"))
    found = described()
    assert list(found) == [*CATALOGUE, "c", "o", "p"]
    own = {"rate": Option(0.5, "step size"), "twice": Option(False), "rank": Option(4), "rule": Option("mean")}
    assert found["o"] == MethodInfo(
        "o", "Adds a term.", "lora", ("term",), "https://x.org", owner="theirs 1.0", options=own
    )
    assert found["p"] == MethodInfo("p", "Learns nothing at all.", owner="theirs:make")
    assert found["c"].sentence == "A class is a factory too." and found["c"].options == {"strength": Option(2.0)}


def test_an_option_that_does_not_exist_cannot_be_described():
    with pytest.raises(TypeError, match="'strength' is described"):
        describe("Does nothing.", options={"strength": "weight"})(plain)


def test_the_catalogue_is_described_by_its_rows(publish):
    publish()
    for name, info in described().items():
        row = CATALOGUE[name]
        assert (info.name, info.adapter, info.consolidations) == (row.name, row.adapter, row.consolidations)
        assert (info.sentence, info.paper, info.bound) == (row.sentence, row.paper, row.bound)
        assert (info.owner, info.fault, info.options) == ("cpbench", "", {})


def test_every_option_of_the_catalogue_has_a_description_and_no_other_has():
    from dataclasses import fields

    parts = {section: options for name in CATALOGUE for section, options in options_of(name).items()}
    assert parts.keys() - {"learner", "lora", "vera"} == {s for s, (_, kind) in CONSOLIDATIONS.items() if kind}
    assert OPTIONS.keys() == {f"{s}.{f.name}" for s, options in parts.items() for f in fields(options)}
    assert all(text and text[0].islower() and not text.endswith(".") for text in OPTIONS.values())


def test_methods_are_described_without_torch():
    code = (
        "import sys; from cpbench.methods.plugins import described; from cpbench.methods.catalogue import CATALOGUE; "
        "import cpbench.methods.descriptions; assert described(CATALOGUE); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- a package of its own, installed --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def anchor(tmp_path_factory):
    """The package of tests/plugin, built and installed into a folder of its own that is found by imports."""
    folder = install(tmp_path_factory.mktemp("plugin"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
        yield folder


def test_a_consolidation_of_another_package_takes_40_lines_at_most():
    (file,) = (PLUGIN / "cpbench_anchor").glob("*.py")
    assert len(file.read_text().splitlines()) <= 40


def test_an_installed_method_is_listed_with_its_sentence_its_package_and_its_option(anchor, capsys):
    status, out, _ = outcome_of(capsys, "list", "methods", "--json")
    assert status == 0
    (row,) = [row for row in json.loads(out) if row["method"] == "anchor"]
    assert "holds the LoRA near its weights" in str(row) and "cpbench-anchor 1.0" in str(row)
    status, out, _ = outcome_of(capsys, "list", "options", "--json")
    (row,) = [row for row in json.loads(out) if row["option"] == "anchor.strength"]
    assert status == 0 and row["value"] == "1.0" and "weight of the penalty" in row.values()
    assert (about("anchor").adapter, about("anchor").consolidations) == ("lora", ("anchor",))


@pytest.mark.slow
def test_an_installed_method_keeps_the_contract(anchor, capsys):
    status, out, _ = outcome_of(capsys, "conformance", "anchor", "--set", "anchor.strength=0.1", "--json")
    rows = json.loads(out)
    assert status == 0 and len(rows) == len(CHECKS) and all(row["good"] for row in rows)


def test_an_installed_method_runs_with_its_option_which_is_in_the_record(anchor, tmp_path, capsys):
    suite, out = write_suite(tmp_path), tmp_path / "results"
    arguments = ("--methods", "anchor", "--suite", suite, "--out", out, "--threads", 1, "--quiet")
    assert outcome_of(capsys, "run", *arguments, "--set", "anchor.strength=2.5")[0] == 0
    ((_, record),) = read_records(out, on_fault=pytest.fail)
    assert record.status == "ok"
    assert record.run.options == {
        "factory": "cpbench_anchor:anchor",
        "package": "cpbench-anchor 1.0",
        "anchor": {"strength": 2.5, "rate": 0.003},
    }
    assert any("loss.learn.anchor" in cost.figures for cost in record.cost)
