"""The contract finds what is wrong: for each check a method that breaks it, and the command that shows it."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from cpbench.benchmark.checks.conformance import CHECKS, SUBJECTS, ContractChecks, examine, small_task
from cpbench.benchmark.cli.main import main
from cpbench.benchmark.protocol import Tick
from cpbench.methods.registry import choose

SEEN = []


def poison(method):
    state = method.adapter.state
    method.adapter.state = lambda: {name: w * float("nan") for name, w in state().items()}
    method.adapter.restore = lambda state: None


def learn_nothing(method):
    learn = method.learn

    def pretended(task, watch):
        before = method.adapter.state(), dict(method.backbone.tokens)
        figures = learn(task, watch)
        method.adapter.restore(before[0])
        with torch.no_grad():
            token = method.backbone.tokens[f"<{task.subject.name}>"]
            token.copy_(method.backbone.word_rows(task.subject.noun)[0])
        method.known.clear()
        return figures

    method.learn = pretended


def forget_to_save(method):
    method.adapter.state = dict
    method.adapter.restore = lambda state: None


def remember_pictures(method):
    learn = method.learn

    def sly(task, watch):
        SEEN.append(task.pictures)
        if task.number == 2:
            task.pictures[:] = SEEN[-2]
        return learn(task, watch)

    method.learn = sly


def move_a_frozen_weight(method):
    learn = method.learn

    def careless(task, watch):
        figures = learn(task, watch)
        method.backbone.network.conv_in.weight.data.add_(1e-3)
        return figures

    method.learn = careless


def touch_the_shared_codec(method):
    method.backbone.vae.residual = None
    next(method.backbone.vae.parameters()).data.add_(1e-3)


def move_old_tokens(method):
    learn = method.learn

    def drifting(task, watch):
        figures = learn(task, watch)
        for (row,) in method.backbone.tokens.values():
            row.data.add_(1e-3)
        return figures

    method.learn = drifting


def hide_pictures(method):
    save = method.save

    def hoarding(folder):
        save(folder)
        SEEN.append(folder)
        (folder / "notes.bin").write_bytes(small_task(1, SUBJECTS[0]).pictures.tobytes())

    method.save = hoarding


def draw_single_concepts_only(method):
    generate = method.generate
    method.generate = lambda prompts, seeds: generate([p for p in prompts if len(p.subjects) == 1], seeds)


def change_when_inspected(method):
    def prying(task, watch):
        for p in method.adapter.params.values():
            p.data.add_(0.1)
        return {}

    method.inspect = prying


def return_no_figures(method):
    learn = method.learn
    method.learn = lambda task, watch: learn(task, watch) and None


def count_backwards(method):
    learn = method.learn

    def odd(task, watch):
        return learn(task, lambda tick: watch(Tick(tick.phase, tick.steps - tick.step, tick.steps)))

    method.learn = odd


def ignore_seeds(method):
    generate = method.generate
    method.generate = lambda prompts, seeds: generate(prompts, [0] * len(seeds))


def draw_by_place(method):
    generate = method.generate
    method.generate = lambda prompts, seeds: generate(prompts, [s + len(seeds) + k for k, s in enumerate(seeds)])


def seed_everything(method):
    learn = method.learn

    def seeding(task, watch):
        torch.manual_seed(task.seed)
        return learn(task, watch)

    method.learn = seeding


BROKEN = {
    "lawful": return_no_figures,
    "finite": poison,
    "effective": learn_nothing,
    "reloaded": forget_to_save,
    "repeatable": remember_pictures,
    "contained": move_a_frozen_weight,
    "isolated": touch_the_shared_codec,
    "faithful": move_old_tokens,
    "frugal": hide_pictures,
    "versatile": draw_single_concepts_only,
    "discreet": change_when_inspected,
    "orderly": count_backwards,
    "seeded": ignore_seeds,
    "untouched": seed_everything,
}


def test_every_check_has_a_method_that_breaks_it():
    assert set(BROKEN) == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize("name", BROKEN)
def test_a_check_finds_the_method_that_breaks_it(name, tmp_path):
    SEEN.clear()

    def make(backbone, seed):
        method = choose("lora", {})[0].make(backbone, seed)
        BROKEN[name](method)
        return method

    with ThreadPoolExecutor(1) as pool:
        contract = ContractChecks(make, tmp_path, pool)
        check = next(c for c in CHECKS if c.__name__ == name)
        assert examine(check, contract)


def test_a_picture_that_depends_on_the_others_drawn_with_it_is_found(tmp_path):
    def make(backbone, seed):
        method = choose("lora", {})[0].make(backbone, seed)
        draw_by_place(method)
        return method

    assert "alone and among others" in examine(ContractChecks.seeded, ContractChecks(make, tmp_path))


@pytest.mark.parametrize(("call", "said"), [("generate", "a second time"), ("explain", "after it explained pictures")])
def test_a_method_that_drawing_or_explaining_changes_is_found(call, said, tmp_path):
    def make(backbone, seed):
        method = choose("lora", {})[0].make(backbone, seed)
        own = getattr(method, call)

        def wearing(*given):
            found = own(*given)
            for (row,) in method.backbone.tokens.values():
                row.data.neg_()
            return found

        setattr(method, call, wearing)
        return method

    assert said in examine(ContractChecks.discreet, ContractChecks(make, tmp_path))


def test_what_needs_sound_calls_is_not_checked_without_them_and_the_rest_is(tmp_path):
    def make(backbone, seed):
        method = choose("lora", {})[0].make(backbone, seed)
        return_no_figures(method)
        return method

    contract = ContractChecks(make, tmp_path)
    assert "learn of method 'it'" in examine(ContractChecks.lawful, contract)
    assert "not checked" in examine(ContractChecks.seeded, contract)
    assert examine(ContractChecks.repeatable, contract) is None


def test_a_method_that_raises_fails_a_check_with_its_error_and_its_line(tmp_path):
    def make(backbone, seed):
        raise KeyError("oops")

    line = make.__code__.co_firstlineno + 1
    expected = f"KeyError: 'oops', raised at {__file__}, line {line}"
    assert examine(ContractChecks.finite, ContractChecks(make, tmp_path)) == expected


def test_the_command_lists_what_was_checked_and_that_all_is_well(capsys):
    main_arguments = ["conformance", "ti", "--json"]
    with pytest.raises(SystemExit) as end:
        main(main_arguments)
    rows = json.loads(capsys.readouterr().out)
    assert not end.value.code
    assert len(rows) == len(CHECKS) and all(row["good"] for row in rows)


def test_the_base_model_has_nothing_to_check(capsys):
    with pytest.raises(SystemExit) as end:
        main(["conformance", "base"])
    assert end.value.code == 2
    assert "never learns" in capsys.readouterr().err
