"""Every number that can be given has a declared range, and what lies outside is refused with the range.

The options are drawn over the catalogue and the arguments over the signatures, so that a new one without a range fails.
"""

import inspect
import json
import math
import pickle
from dataclasses import asdict, fields, replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cpbench
from conftest import outcome_of, status_of, write_suite
from cpbench.benchmark.cli.main import app
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.models.backbone import Backbone
from cpbench.benchmark.models.loading import pick_device
from cpbench.benchmark.numbers import ANY, Choice, Range, Switch
from cpbench.benchmark.pretrain.contrast import ClipRecipe
from cpbench.benchmark.pretrain.recipe import PretrainOptions
from cpbench.benchmark.pretrain.stage import Schedule
from cpbench.benchmark.ranged import declared, in_range
from cpbench.benchmark.run.executors import Placement
from cpbench.benchmark.run.session import Recipe
from cpbench.benchmark.verbs.listing import listed
from cpbench.methods import build, plugins
from cpbench.methods.adapters.low_rank import Lora, LoraOptions
from cpbench.methods.build import check_fit
from cpbench.methods.catalogue import CATALOGUE
from cpbench.methods.configure import configure, options_of
from cpbench.methods.descriptions import OPTIONS
from cpbench.methods.learner import LearnerOptions
from cpbench.methods.registry import choose, recorded
from cpbench.methods.search_space import space
from cpbench.reports.analysis.limits import Limit

LARGE = 10**30
TUNED = sorted((Path(build.__file__).parent / "tuned").glob("*.json"))
VERBS = {
    name: verb
    for name, verb in ((name, getattr(cpbench, name)) for name in cpbench.__all__)
    if inspect.isfunction(verb)
}
COMMANDS = {c.name or c.callback.__name__: c.callback for c in app.registered_commands}


def every_option():
    """Each option of each method: the method, its key, and what is declared."""
    return [
        (name, f"{section}.{option}", one)
        for name in CATALOGUE
        for section, options in options_of(name).items()
        for option, one in declared(type(options)).items()
    ]


def numbers_of(functions):
    """Each numeric argument of some functions: the function's name, the argument, and what is declared."""
    return [
        (name, argument, one)
        for name, function in functions.items()
        for argument, one in declared(function).items()
        if one.kind in (int, float)
    ]


NUMERIC = [found for found in every_option() if found[2].kind in (int, float)]
ARGUMENTS = numbers_of(VERBS)


def inside(one):
    """A strategy for numbers that are allowed."""
    low, high = one.allowed.low, min(one.allowed.high, 1e300)
    if one.kind is int:
        return st.integers(int(low) + one.allowed.above, int(high))
    return st.floats(low, high, exclude_min=one.allowed.above)


def outside(one):
    """A strategy for numbers that are not allowed; NaN and, unless it is allowed, infinity are among them."""
    r = one.allowed
    found = [st.just(math.nan), st.just(-math.inf)]
    if one.kind is int:
        found.append(st.integers(-LARGE, int(r.low) - 1 + r.above))
    else:
        found.append(st.floats(max_value=r.low, exclude_max=not r.above, allow_infinity=False))
    if r.high < math.inf:
        found.append(st.integers(math.floor(r.high) + 1, max(LARGE, math.floor(r.high) + 2)))
    if not r.endless:
        found.append(st.just(math.inf))
    return st.one_of(found)


# --- options of methods ---------------------------------------------------------------------------------------------


def test_every_option_of_every_method_is_described_and_has_a_declared_range():
    assert {key for _, key, _ in every_option()} == set(OPTIONS)
    for name, section in ((n, s) for n in CATALOGUE for s in options_of(n).items()):
        assert {f.name for f in fields(section[1])} == set(declared(type(section[1]))), name
    assert not [key for _, key, one in NUMERIC if one.allowed == ANY]


@given(st.data())
@settings(max_examples=300)
def test_a_number_in_its_range_is_the_value_of_the_option(data):
    name, key, one = data.draw(st.sampled_from(NUMERIC))
    value, (section, option) = data.draw(inside(one)), key.split(".")
    found = getattr(configure(name, {key: str(value)})[section], option)
    assert found == value and type(found) is one.kind and math.copysign(1, found or 1) == math.copysign(1, value or 1)


@given(st.data())
@settings(max_examples=300)
def test_a_number_outside_is_refused_with_the_option_the_value_and_the_range(data):
    name, key, one = data.draw(st.sampled_from(NUMERIC))
    text = str(data.draw(outside(one)))
    with pytest.raises(BadInput) as refused:
        configure(name, {key: text})
    sentence = str(refused.value)
    assert sentence == f"--set {key}={text}: give {one.allowed.wanted(one.kind)}." and sentence.isprintable()


@given(st.data())
@settings(max_examples=100)
def test_whatever_text_is_set_is_read_or_refused_in_one_sentence(data):
    name, key, _ = data.draw(st.sampled_from(every_option()))
    text = data.draw(st.one_of(st.text(max_size=200), st.text("0123456789.e-+_ xinfa", max_size=12)))
    try:
        configure(name, {key: text})
    except BadInput as refused:
        assert str(refused).startswith(f"--set {key}=") and str(refused).endswith(".") and str(refused).isprintable()


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("lora.rank", " 3 ", 3),
        ("lora.rank", "1_000", 1000),
        ("lora.rank", "٣", 3),
        ("lora.rank", "2.0", 2),
        ("lora.rank", "1e3", 1000),
        ("lora.rank", "+4", 4),
        ("lora.rank", "010", 10),
        ("dsc.rate", "-0", 0.0),
        ("dsc.rate", "-0.0", 0.0),
        ("dsc.rate", "1", 1.0),
        ("dsc.rate", ".5", 0.5),
        ("learner.use_noun", "FALSE", False),
    ],
)
def test_a_number_is_read_as_it_is_meant(key, text, value):
    section, option = key.split(".")
    found = getattr(configure("dsc", {key: text})[section], option)
    assert found == value and type(found) is type(value) and str(found) == str(value)


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e999", "0x10", "true", "", "1,5", "9" * 4000, "9" * 5000, "½"]
)
@pytest.mark.parametrize("key", ["lora.rank", "dsc.rate", "dsc.temperature", "learner.cooldown"])
def test_what_is_no_number_of_the_range_is_refused(key, text):
    with pytest.raises(BadInput, match=rf"^--set {key}=.{{0,80}}: give a (whole )?number (from|above) [^.]*\d\.$|0\.$"):
        configure("dsc", {key: text})


@pytest.mark.parametrize("text", ["1", "yes", "on", "nan"])
def test_a_switch_is_true_or_false(text):
    with pytest.raises(BadInput, match=rf"--set learner\.use_noun={text}: give true or false\."):
        configure("lora", {"learner.use_noun": text})


@pytest.mark.parametrize("text", ["a\nb", "a\0", "a" * 81, "\x1b[31m"])
def test_a_word_of_an_option_is_printable_and_short(text):
    with pytest.raises(BadInput, match=r"--set dsc\.generic=.{1,80}: give printable text of at most 80 characters\."):
        configure("dsc", {"dsc.generic": text})


def test_all_that_is_tuned_lies_in_the_ranges():
    assert TUNED
    for name in CATALOGUE:
        for key, r in space(name).items():
            for share in (0.0, 1.0):
                configure(name, {key: r.at(share)})
    for file in TUNED:
        content = json.loads(file.read_text())
        for tried in (content["chosen"], *(trial["settings"] for trial in content["trials"])):
            configure(content["method"], tried)


def test_options_are_plain_dataclasses_as_before():
    one = LoraOptions(rank=4)
    assert asdict(one) == {"rank": 4, "alpha": 32.0, "targets": "kv", "text": False}
    assert [f.name for f in fields(one)] == ["rank", "alpha", "targets", "text"]
    assert pickle.loads(pickle.dumps(one)) == one == replace(LoraOptions(), rank=4) != LoraOptions()
    assert hash(one) == hash(LoraOptions(rank=4)) and repr(one) == (
        "LoraOptions(rank=4, alpha=32.0, targets='kv', text=False)"
    )


@pytest.mark.parametrize("value", [np.int64(4), np.int8(4), np.float32(4), np.float64(4), 4.0, Fraction(4)])
def test_a_number_of_any_kind_becomes_a_plain_one(value):
    found = LoraOptions(rank=value).rank
    assert found == 4 and type(found) is int and json.dumps(asdict(LoraOptions(alpha=np.float32(0.5))))


@pytest.mark.parametrize("value", [True, "4", 2.5, None, [4], 1j, np.bool_(True), math.nan])
def test_what_is_no_number_is_refused_from_python_too(value):
    with pytest.raises(BadInput, match=r"^LoraOptions\.rank .*: give a whole number from 1 to 10,000\.$"):
        LoraOptions(rank=value)


def test_a_record_with_a_value_out_of_range_is_refused_with_its_option():
    for options in ({"learner": {"rate": -1.0}}, {"learner": {"rate": "fast"}}, {"learner": {"rate": math.nan}}):
        with pytest.raises(BadInput, match=r"learner\.rate .*: give a number from 0 to 1\."):
            recorded("lora", options)
    with pytest.raises(BadInput, match="no longer has the options"):
        recorded("lora", {"learner": {"warm": 1}})


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_recorded_method_is_the_same_method(name):
    (chosen,) = choose(name, {})
    again = recorded(name, json.loads(json.dumps(chosen.options)))
    assert json.dumps(again.options) == json.dumps(chosen.options)


def test_the_list_of_options_has_what_each_may_be(capsys):
    rows = listed("options")
    assert all(row["allowed"] for row in rows)
    by_key = {row["option"]: row["allowed"] for row in rows}
    assert by_key["learner.cooldown"] == "a number from 0 to 1" and by_key["learner.use_noun"] == "true or false"
    assert by_key["merge.rule"] == "average, greatest, constrained or orthogonal"
    _, out, _ = outcome_of(capsys, "list", "options", "--json")
    assert {row["option"]: row["allowed"] for row in json.loads(out)} == by_key
    _, out, _ = outcome_of(capsys, "list", "options")
    assert "a number from 0 to 1" in " ".join(out.split()) and max(map(len, out.splitlines())) <= 80


# --- what depends on the model --------------------------------------------------------------------------------------


def test_a_rank_above_what_the_layers_read_is_refused_before_anything_is_trained(
    pristine, suite_file, tmp_path, capsys
):
    with pytest.raises(BadInput, match=r"lora\.rank 33: the layers of tiny read 32 dimensions; give 1 to 32\."):
        Lora(pristine.copy(), 0, LoraOptions(rank=33))
    run = ("run", "--methods", "lora-merge", "--suite", suite_file, "--out", tmp_path / "out", "--set")
    assert status_of(*run, "lora.rank=33") == 2
    assert status_of(*run, "lora.rank=17", "--set", "merge.rule=orthogonal") == 2
    assert "give at most 16, or choose another merge.rule" in capsys.readouterr().err
    assert not list((tmp_path / "home" / "units").glob("*/unit.json"))
    check_fit({"lora": {"rank": 16}, "merge": {"rule": "orthogonal"}}, pristine, "a {}", 2)


def test_a_word_that_makes_the_prompt_too_long_is_refused_before_anything_is_trained(pristine):
    with pytest.raises(BadInput, match="longer than 32 tokens"):
        check_fit({"dsc": {"generic": "x y " * 20}}, pristine, "a {}", 2)


@pytest.mark.parametrize(("size", "near"), [(60, "56 or 64"), (65, "64 or 72"), (9, "8 or 16"), (63, "56 or 64")])
def test_a_size_that_the_model_cannot_draw_is_refused_with_the_nearest_ones(size, near, tmp_path, capsys):
    sampling = {"sampler": "dpm++", "steps": 2, "guidance": 2.0, "batch": 8, "size": size}
    suite = write_suite(tmp_path, sampling=sampling)
    assert status_of("run", "--methods", "base", "--suite", suite, "--out", tmp_path / "out") == 2
    assert f"sampling.size {size}: tiny draws" in (err := capsys.readouterr().err) and f"give {near}." in err
    assert not list((tmp_path / "home" / "units").glob("*/unit.json"))


@pytest.mark.parametrize("size", [16, 56, 64, 72])
def test_any_multiple_is_drawn_in_its_size(pristine, size):
    model: Backbone = replace(pristine, sampling=pristine.sampling.model_copy(update={"size": size}))
    model.check_size()
    assert model.sample(["a cat"], [0]).shape == (1, size, size, 3)


@pytest.mark.parametrize(
    "name", ["cuda:-1", "cuda:99999999999", "cuda:2", "cuda:٣", "cuda:01", "cuda: 0", "cpu:1", "", ":"]
)
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(BadInput, match=r"choose auto or cpu, cuda:0 to cuda:1\."):
        pick_device(name)
    assert pick_device("cuda:1") == torch.device("cuda:1") and pick_device("auto").type == "cuda"


# --- arguments of verbs and commands --------------------------------------------------------------------------------


def test_every_numeric_argument_of_every_verb_has_a_declared_range():
    assert {(name, argument) for name, argument, _ in ARGUMENTS} >= {
        *(("sweep", a) for a in ("seeds", "threads", "jobs", "max_hours", "resolution")),
        *(("tune", a) for a in ("trials", "seeds", "length", "threads", "jobs")),
        *(("check", "seeds"), ("score", "threads"), *((v, "jobs") for v in ("check", "score", "fingerprints"))),
    }
    assert not [(name, argument) for name, argument, one in ARGUMENTS if one.allowed == ANY]


def called(name, argument, value, **more):
    """What a verb answers to a number, and to a method, record and folder that do not exist: a sentence."""
    first = {"score": [["zz"]], "load_results": ["/nowhere"], "sample": ["no-such-run", "a cat"]}
    first["score_adapters"] = ["/nowhere", cpbench.load_suite("toybox-2")]
    with pytest.raises(BadInput) as refused:
        VERBS[name](*first.get(name, ["no-such-method"]), **{argument: value}, **more)
    return str(refused.value)


@given(st.data())
@settings(max_examples=200)
def test_a_number_that_a_verb_cannot_use_is_refused_first(data):
    name, argument, one = data.draw(st.sampled_from(ARGUMENTS))
    wrong = st.sampled_from([True, "3", b"3", [1], np.bool_(True), np.float64("nan"), Range])
    value = data.draw(st.one_of(outside(one), wrong, *([st.just(2.5)] if one.kind is int else [])))
    sentence = called(name, argument, value)
    option = f"--{argument.replace('_', '-')}"
    assert sentence.startswith(f"{option} ") and sentence.endswith(f"give {one.allowed.wanted(one.kind)}.")


@pytest.mark.parametrize(("name", "argument", "one"), ARGUMENTS)
@pytest.mark.parametrize("kind", [int, np.int64, np.float32])
def test_a_number_that_a_verb_can_use_is_not_what_is_wrong(name, argument, one, kind):
    more = {"sweep": {"dry_run": True}, "check": {"against": "/nowhere"}, "score": {"results": "/nowhere"}}
    sentence = called(name, argument, kind(max(1, one.allowed.low)), **more.get(name, {}))
    assert not sentence.startswith(f"--{argument.replace('_', '-')} ")


NEEDED = {
    **dict.fromkeys(("run", "tune"), ("--methods", "lora")),
    "sample": ("no-such-run", "a cat"),
    "export": ("no-such-run",),
    "score-adapters": ("nowhere", "--suite", "toybox-2"),
}
"""What a command must have beside its options."""


def numeric_options():
    """The options of commands that are numbers, by their hints: the command, and the option as it is written."""
    return [
        (name, f"--{argument.replace('_', '-')}")
        for name, command in COMMANDS.items()
        for argument, one in declared(command).items()
        if one.kind in (int, float) or argument == "jobs"  # a number or a word
    ]


@pytest.mark.parametrize(("command", "option"), numeric_options())
@pytest.mark.parametrize("value", ["-5", "0", "9" * 4000])
def test_a_command_refuses_a_number_before_anything_is_written(command, option, value, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    needed = NEEDED.get(command, ())
    if (option, value) in (
        ("--max-hours", "9" * 4000),
        *((option, "0") for option in ("--task", "--strength", "--seed")),
    ):
        return
    assert status_of(command, *needed, option, value) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f"{option} " in err and ": give a " in err and len(err) < 250
    assert not list(tmp_path.rglob("*"))


def test_every_number_of_the_commands_is_tried():
    assert {option for _, option in numeric_options()} == {
        *(
            "--seeds",
            "--threads",
            "--jobs",
            "--max-hours",
            "--resolution",
            "--trials",
            "--length",
            "--updates",
            "--repeats",
            "--micro-batch",
            "--task",
            "--strength",
            "--pictures",
            "--seed",
            "--rank",
        ),
    }


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ({"orders": 2.5}, "--orders"),
        ({"orders": True}, "--orders"),
        ({"orders": 0}, "--orders"),
        ({"orders": []}, "--orders"),
        ({"orders": [1, 2]}, "--orders"),
        ({"orders": -1}, "--orders"),
        ({"lengths": 2.5}, "--lengths"),
        ({"lengths": True}, "--lengths"),
        ({"lengths": [0]}, "--lengths"),
        ({"lengths": "2,,4"}, "--lengths"),
        ({"lengths": []}, "--lengths"),
    ],
)
def test_orders_and_lengths_of_another_kind_are_refused(arguments, option, suite_file, tmp_path):
    with pytest.raises(BadInput, match=option):
        cpbench.sweep("base", suite_file, out=tmp_path / "out", dry_run=True, **arguments)


@pytest.mark.parametrize(
    "address", [":99999", "host:0", "host:-1", "host:x", "host:", "host:6379x", "ray://host:99999"]
)
def test_an_address_whose_port_is_none_is_refused(address, monkeypatch):
    with pytest.raises(BadInput, match=r"^--address .*: its port must be a whole number from 1 to 65,535\.$"):
        Placement("ray", 1, address)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(BadInput, match=r"^RAY_ADDRESS .*: its port must be"):
        Placement("ray", 1, None)


@pytest.mark.parametrize(
    "address", ["auto", "local", "10.0.0.1:6379", "[::1]:6379", "[::1]", "ray://host", "ray://host:10001"]
)
def test_an_address_that_ray_knows_is_not_refused(address, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    Placement("ray", 1, address)


@pytest.mark.parametrize("limit", ["nan", "inf", "1e999", "-1e999", "٣e", ""])
def test_a_limit_of_a_comparison_is_a_finite_number(limit):
    with pytest.raises(BadInput, match="--fail-if 'average < "):
        Limit.of(f"average < {limit}")


@pytest.mark.parametrize("threads", [0, -1, 10**9, True, 1.5, "2"])
def test_a_recipe_refuses_threads_that_no_machine_starts(threads, suite):
    with pytest.raises(BadInput, match=r"--threads .*: give a whole number from 1 to "):
        Recipe(suite, Path(), None, "tiny", threads=threads)


# --- pretraining ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("updates", [-5, 0, "9" * 30])
def test_pretraining_with_no_updates_writes_nothing(updates, tmp_path, capsys):
    assert status_of("pretrain", "--updates", updates, "--out", tmp_path / "model") == 2
    assert f"--updates {updates}: give a whole number from 1 to 100,000,000." in capsys.readouterr().err
    assert not (tmp_path / "model").exists() and not (tmp_path / "home").exists()


@given(st.data())
def test_every_setting_of_pretraining_has_a_range(data):
    kind = data.draw(st.sampled_from([PretrainOptions, ClipRecipe, Schedule]))
    option, one = data.draw(st.sampled_from(sorted(declared(kind).items(), key=lambda item: item[0])))
    assert one.allowed != ANY
    needed = {"updates": 10, "peak": 0.1} if kind is Schedule else {}
    value = data.draw(outside(one))
    with pytest.raises(BadInput, match=rf"^{kind.__name__}\.{option} "):
        kind(**needed | {option: value})
    assert getattr(kind(**needed | {option: (good := data.draw(inside(one)))}), option) == good


@pytest.mark.parametrize("rounds", [(), (0,), (5, -1), (2.5,), (True,)])
def test_every_round_of_pretraining_has_updates(rounds):
    with pytest.raises(BadInput, match=r"PretrainOptions\.rounds"):
        PretrainOptions(rounds=rounds)


# --- plug-ins -------------------------------------------------------------------------------------------------------


def limited(backbone, seed, *, share: Annotated[float, Range(0, 1)] = 0.5, free: float = 1.0, name="a"):
    return share, free, name


def broken(backbone, seed, *, share: "Nowhere" = 0.5):  # noqa: F821 - a package with an annotation that fails
    return share


class Made:
    def __init__(
        self, backbone, seed, share: Annotated[float, Range(0, 1)] = 0.5, rule: Annotated[str, Choice(("a", "b"))] = "a"
    ):
        self.share = share


@pytest.fixture
def published(monkeypatch):
    """Publishes three factories as methods of another package."""
    made = {"limited": limited, "broken": broken, "made": Made}
    points = [
        SimpleNamespace(name=n, value=f"theirs:{n}", module="theirs", load=lambda f=f: f, dist=None)
        for n, f in made.items()
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)


@pytest.mark.parametrize(
    ("key", "text", "wanted"),
    [
        ("limited.share", "2", "a number from 0 to 1"),
        ("limited.share", "nan", "a number from 0 to 1"),
        ("limited.free", "inf", "a finite number"),
        ("limited.name", "a\n", "printable text of at most 1000 characters"),
        ("made.share", "-1", "a number from 0 to 1"),
        ("made.rule", "c", "a or b"),
        ("broken.share", "nan", "a finite number"),
    ],
)
def test_an_option_of_a_plug_in_is_in_the_range_that_it_declares(published, key, text, wanted):
    with pytest.raises(BadInput, match=rf"^--set {key}=.*: give {wanted}\.$"):
        choose(key.split(".")[0], {key: text})


def test_an_option_of_a_plug_in_inside_is_given_to_it(published):
    assert choose("limited", {"limited.share": "1", "limited.free": "-7e3"})[0].make(None, 0) == (1.0, -7000.0, "a")
    assert choose("broken", {"broken.share": "7"})[0].make(None, 0) == 7.0
    shown = {row["option"]: row["allowed"] for row in listed("options")}
    assert shown["limited.share"] == "a number from 0 to 1" and shown["broken.share"] == "a finite number"
    with pytest.raises(BadInput, match=r"limited\.share 3\.0: give a number from 0 to 1"):
        recorded("limited", {"factory": "theirs:limited", "limited": {"share": 3.0}})


# --- ranges themselves ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("r", "kind", "words"),
    [
        (Range(1, 1000), int, "a whole number from 1 to 1,000"),
        (Range(0, 1, above=True), float, "a number above 0, up to 1"),
        (Range(0, math.inf), float, "a number 0 or more"),
        (Range(0, math.inf, above=True), float, "a number above 0"),
        (Range(1e-6, 1e15), float, "a number from 1e-6 to 1e15"),
        (ANY, float, "a finite number"),
        (ANY, int, "a whole number"),
        (Switch(), bool, "true or false"),
        (Choice(("a", "b", "c")), str, "a, b or c"),
    ],
)
def test_what_is_allowed_is_in_words(r, kind, words):
    assert r.wanted(kind) == words


def test_none_is_allowed_where_it_is_the_default():
    def made(a: Annotated[int, Range(1, 3)] = 2, b: Annotated[int, Range(1, 3)] | None = None):
        return in_range(made, a=a, b=b)

    assert made() == (2, None) and made(np.int64(3), None) == (3, None) and made(b=1) == (2, 1)
    for wrong in (lambda: made(None), lambda: made(b=4)):
        with pytest.raises(BadInput, match=r"^--[ab] .*: give a whole number from 1 to 3\.$"):
            wrong()


def test_a_range_is_none_of_the_defaults_of_a_learner():
    assert LearnerOptions() == LearnerOptions(rate=3e-3, token_rate=2e-3, cooldown=0.5, use_noun=True)
