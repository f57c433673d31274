"""Records that are damaged, impossible or copied: none changes a board, and each is named with its file."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import outcome_of
from cpbench import load_results, validate
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.hashing import digest
from cpbench.benchmark.records.ranges import RANGES, SCALES
from cpbench.benchmark.records.reading import read_records, read_result
from cpbench.benchmark.records.result import Result, result_path, write_result
from cpbench.benchmark.records.validation import faults_of, flags_of
from cpbench.benchmark.scoring.metrics import METRICS
from cpbench.benchmark.scoring.profiles import PROFILES
from cpbench.benchmark.storage.inventory import unused
from cpbench.reports.analysis.summaries import to_csv as summaries
from cpbench.reports.tables.columns import to_csv
from cpbench.reports.write import load
from synthetic import FORGETS, KEEPS, record, row

RESULTS = Path(__file__).parent.parent / "results"
NAN, INFINITE = float("nan"), float("inf")


def plain(result):
    return json.loads(result.model_dump_json(by_alias=True))


def board(folder, on_fault=pytest.fail):
    boards = load(folder, on_fault=on_fault).boards
    return to_csv(boards), summaries(boards)


def identity(content):
    return next(s for s in content["scores"] if s["metric"] == "identity" and s["source"] == "model")


def mmd(content):
    return next(s for s in content["scores"] if s["metric"] == "mmd" and s["i"] == 3)


def first(**changes):
    return lambda content: identity(content).update(changes)


def distance(**changes):
    return lambda content: mmd(content).update(changes)


def cost(**changes):
    return lambda content: content["cost"][1].update(changes)


def top(**changes):
    return lambda content: content.update(changes)


def run(**changes):
    return lambda content: content["run"].update(changes)


def more(*rows):
    return lambda content: content["scores"].extend(rows)


CONTENTS = {
    "NaN": (first(value=NAN), "value is nan"),
    "infinity": (distance(value=-INFINITE), "value is -inf"),
    "a share above 1": (first(value=1.5), "value 1.5; identity is 0 to 1"),
    "a share below 0": (first(value=-0.2), "value -0.2; identity is 0 to 1"),
    "a cosine above 1": (more(row("image_align", 3, 1, 1.2)), "image_align is -1 to 1"),
    "a negative diversity": (more(row("diversity", 3, 1, -0.1)), "diversity is 0 to 2"),
    "text for a number": (first(value="0.5"), "value is 0.5"),
    "no value": (first(value=None), "value is None"),
    "no pictures": (first(n=0), "greater than or equal to 1"),
    "half a picture": (first(n=2.5), "n is 2.5"),
    "a negative error": (distance(se=-0.1), "se is -0.1"),
    "an error of NaN": (distance(se=NAN), "se is nan"),
    "more tasks than concepts": (first(i=4), "i = 4 and j = 1; at most 3"),
    "a negative number of tasks": (first(i=-1), "i is -1"),
    "a place beyond the order": (first(j=4), "j = 4; at most 3"),
    "the place of another concept": (first(j=2), "the place of 'mallow' in the order is 1"),
    "a concept of another suite": (first(concept="nemo"), "concept 'nemo' is not of the order (mallow, rumble, petal)"),
    "half a pair": (first(concept="mallow+"), "nor a pair"),
    "a pair at its earlier place": (first(concept="mallow+petal"), "the place of 'mallow+petal' in the order is 3"),
    "a prior that was learned": (first(concept="prior"), "the place of 'prior' in the order is 0"),
    "real pictures that a model drew": (first(source="real", i=1), "real pictures have i = 0"),
    "a confusion of identity": (first(other="petal"), "for no other metric"),
    "a confusion with nobody": (more(row("dc_confusion", 3, 1, 0.5)), "'other' is named"),
    "a row twice": (lambda c: c["scores"].append(c["scores"][0]), "the same as scores[0]"),
    "a row with two values": (lambda c: c["scores"].append(c["scores"][0] | {"value": 0.3}), "may be there once"),
    "a direction turned round": (first(higher_is_better=False), "higher_is_better is false; it is true for identity"),
    "two directions of a plug-in": (
        more(row("own", 3, 1, 7.0), row("own", 3, 2, 7.0) | {"higher_is_better": False}),
        "it is true for own",
    ),
    "negative seconds": (cost(train_seconds=-1.0), "cost[1].train_seconds is -1.0"),
    "infinite seconds": (cost(seconds_per_picture=INFINITE), "cost[1].seconds_per_picture is inf"),
    "a figure of NaN": (cost(figures={"loss": NAN}), "cost[1].figures.loss is nan"),
    "a task twice": (cost(task=1), "cost has the tasks [1, 1, 3]"),
    "a task too many": (cost(task=4), "cost has the tasks [1, 4, 3]"),
    "a concept taught twice": (run(order=["mallow", "mallow", "petal"]), "run.order has 'mallow' 2 times"),
    "nothing taught": (run(order=[]), "run.order is empty"),
    "an option of NaN": (run(options={"learner": {"rate": NAN}}), "run.options has a number that is not finite"),
    "success with an error": (top(error="out of memory"), "status is ok, but there is an error"),
    "success without scores": (top(scores=[]), "status is ok, but there are no scores"),
    "failure without an error": (top(status="error", scores=[]), "no error is given"),
    "failure with scores": (top(status="error", error="boom"), "but there are 38 scores"),
    "another status": (top(status="fine"), "status is fine"),
    "an unknown field": (top(colour="red"), "colour is unknown to this version"),
    "a missing field": (lambda c: c["run"].pop("seed"), "run.seed is missing"),
    "a later schema": (top(schema=2), "schema is 2; this version reads schema 1"),
    "no time": (top(created="yesterday"), "created is 'yesterday'"),
}
"""What is done to the content of a record, and a part of the sentence on it."""


def named(name):
    return lambda folder, sound: shutil.copy(sound, sound.parent / name.replace("ID", sound.stem))


def put(*place):
    def copied(folder, sound):
        path = folder.joinpath(*place, sound.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return shutil.copy(sound, path)

    return copied


def holding(content):
    def written(folder, sound):
        path = sound.with_name(f"{'f' * 16}.json")
        path.write_bytes(content)
        return path

    return written


def renamed(folder, sound):
    """A copy in which a score was changed by hand, under a name of its own."""
    path = sound.with_name(f"{'e' * 16}.json")
    path.write_text(sound.read_text().replace("0.9625", "0.99"))
    return path


def dangling(folder, sound):
    path = sound.with_name(f"{'d' * 16}.json")
    path.symlink_to("nowhere")
    return path


FILES = {
    "an empty file": (holding(b""), "not JSON that ends"),
    "half a file": (holding(b'{"schema": 1, "run": {"suite": "tiny'), "not JSON that ends"),
    "no text": (holding(bytes(range(256))), "not JSON"),
    "another JSON": (holding(b"[1, 2]"), "object"),
    "a file that is gone": (dangling, "cannot be read"),
    "a hidden copy": (named(".ID.json"), "a hidden file"),
    "a resource fork": (named("._ID.json"), "a hidden file"),
    "a lock of Emacs": (named(".#ID.json"), "a hidden file"),
    "a swap file": (named(".ID.json.swp"), "a hidden file"),
    "a backup of Emacs": (named("ID.json~"), "a backup of an editor"),
    "an autosave": (named("#ID.json#"), "a backup of an editor"),
    "an old one": (named("ID.json.bak"), "a backup of an editor"),
    "a second download": (named("ID (1).json"), "a copy"),
    "a copy of Windows": (named("ID - Copy.json"), "a copy"),
    "a conflict of Dropbox": (named("ID (Ann's conflicted copy 2026-01-01).json"), "a copy"),
    "a conflict of Syncthing": (named("ID.sync-conflict-20260101-101010-ABCDEFG.json"), "a copy"),
    "a partial file": (named("ID.4711.partial"), "never written to its end"),
    "a damaged file": (named("ID.damaged"), "a damaged record"),
    "a name of one's own": (named("good.json"), "not the id of a run"),
    "a record under another id": (renamed, "its run has the id"),
    "a backup folder": (put("backup", "tiny-3", "lora"), "in the wrong folder"),
    "a backup of a suite": (put("tiny-3 (copy)", "lora"), "in the wrong folder"),
    "the folder of another method": (put("tiny-3", "clora"), "in the wrong folder"),
    "no folder of a method": (put("tiny-3"), "in the wrong folder"),
    "no folder at all": (put(), "in the wrong folder"),
}
"""A file that is added to sound records, and a part of the sentence on it."""


@pytest.fixture
def folder(tmp_path):
    """Four sound records of two methods."""
    results = tmp_path / "results"
    for method, r in (("lora", KEEPS), ("clora", FORGETS)):
        for seed in (0, 1):
            write_result(results, record(method, r, seed=seed))
    return results


@pytest.fixture
def sound(folder):
    return min((folder / "tiny-3" / "lora").iterdir())


@pytest.mark.parametrize(("damage", "says"), CONTENTS.values(), ids=CONTENTS)
def test_a_damaged_record_changes_no_board_and_is_named(folder, damage, says):
    before, content = board(folder), plain(record("dsc", KEEPS))
    damage(content)
    path = folder / "tiny-3" / "dsc" / f"{digest(repr(content['run']))}.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    warnings = []
    assert board(folder, warnings.append) == before
    (warning,) = warnings
    assert warning.startswith(f"{path}: ") and says in warning
    with pytest.raises(BadInput) as error:
        read_result(path)
    assert str(error.value) == warning
    found = validate(folder)
    assert (found.sound, found.faulty) == (4, 1) and {f.file for f in found.faults} == {path}
    assert any(says in fault.sentence for fault in found.faults)


@pytest.mark.parametrize(("add", "says"), FILES.values(), ids=FILES)
def test_a_copied_or_partial_file_changes_no_board_and_is_named(folder, sound, add, says):
    before, warnings = board(folder), []
    path = Path(add(folder, sound))
    assert board(folder, warnings.append) == before
    (warning,) = warnings
    assert warning.startswith(f"{path}: ") and says in warning
    assert [f.file for f in validate(folder).faults] == [path]


def test_other_files_below_a_folder_of_records_are_no_faults(folder, sound):
    others = ("README.md", "schema-1.json", "reported/a.json", "fingerprints/b.json", "tiny-3/lora/note.txt")
    for name in (*others, f"tiny-3/lora/{sound.stem}.webp", f"tiny-3/lora/superseded/{sound.stem}-2026.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    assert validate(folder).faults == [] and len(list(read_records(folder, on_fault=pytest.fail))) == 4


def test_the_committed_records_are_sound_and_none_is_above_its_ceiling():
    found, there = validate(RESULTS), len(list(RESULTS.glob("*/*/*.json")))
    assert found.sound == there > 0 and (found.faults, found.notes) == ([], [])


def test_of_a_run_in_two_folders_the_first_sound_one_counts(folder, sound, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    assert [p for p, _ in read_records(other, folder, on_fault=pytest.fail)] == sorted(other.glob("*/*/*.json"))
    (broken := other / sound.relative_to(folder)).write_text("{}")
    faults = []
    paths = [p for p, _ in read_records(other, folder, on_fault=faults.append)]
    assert sound in paths and len(paths) == 4 and len(faults) == 1 and str(broken) in faults[0]


def bad(*values):
    return st.sampled_from(values)


IMPOSSIBLE = {
    "value": bad(NAN, INFINITE, -INFINITE, "much", None) | st.floats(1.001, 1e9) | st.floats(-1e9, -0.001),
    "se": bad(NAN, INFINITE) | st.floats(-1e9, -1e-9),
    "n": st.integers(max_value=0),
    "i": st.integers(min_value=4) | st.integers(max_value=-1),
    "j": st.integers(min_value=4) | st.integers(max_value=-1),
    "concept": st.text(max_size=8).filter(lambda name: name not in ("mallow", "rumble", "petal")),
    "prompt": st.integers(max_value=-1),
    "source": st.text(max_size=5).filter(lambda name: name not in ("model", "real")),
    "other": st.text(max_size=8),
    "higher_is_better": bad(False, None, 2),
}


@given(data=st.data())
def test_any_field_of_a_score_with_an_impossible_value_is_found(data):
    content = plain(record())
    shares = [s for s in content["scores"] if s["metric"] == "identity"]
    field = data.draw(st.sampled_from(sorted(IMPOSSIBLE)))
    changed = data.draw(st.sampled_from(shares))
    changed[field] = data.draw(IMPOSSIBLE[field])
    try:
        result = Result.model_validate_json(json.dumps(content), strict=True)
    except ValueError:
        return
    assert list(faults_of(result))


def test_the_table_of_ranges_is_that_of_the_metrics_and_profiles():
    assert {name: r.higher for name, r in RANGES.items() if name != "dc_confusion"} == {
        name: metric.higher_is_better for name, metric in METRICS.items()
    }
    assert {name: (p.align_scale, p.text_scale) for name, p in PROFILES.items()} == SCALES


def test_cosines_are_in_the_scale_of_their_profile_and_plug_ins_may_have_any_finite_value():
    rows = [row("image_align", 3, 1, 80.0), row("text_align@clip-b32", 3, 1, 30.0), row("own", 3, 1, -1e6)]
    hundred = Result.model_validate(plain(record(profile="dreambench++")) | {"scores": rows})
    assert list(faults_of(hundred)) == []
    one = Result.model_validate(plain(record()) | {"scores": rows})
    assert [fault.split(":")[0] for fault in faults_of(one)] == [
        "scores[0] (image_align of mallow after 3 tasks)",
        "scores[1] (text_align@clip-b32 of mallow after 3 tasks)",
    ]


def test_a_score_above_its_ceiling_is_a_note_where_the_number_of_pictures_does_not_explain_it(folder):
    few, many = ([row("identity", 3, 1, 0.9, n=n), row("identity", 0, 1, 0.5, source="real", n=n)] for n in (4, 400))
    for rows, flagged in ((few, False), (many, True)):
        result = Result.model_validate(plain(record("dsc")) | {"scores": rows})
        assert (list(faults_of(result)), bool(list(flags_of(result)))) == ([], flagged)
    path = write_result(folder, result)
    found = validate(path)
    assert (found.sound, found.faults) == (1, []) and "better than the ceiling" in found.notes[0].sentence


@pytest.mark.parametrize("command", [("report", "--only", "tables"), ("list", "runs"), ("show",), ("diff",)])
def test_every_command_goes_on_with_the_sound_records_and_names_others_on_stderr(capsys, folder, sound, command):
    ids = [sound.stem] * (command[0] in ("show", "diff")) + [sound.stem] * (command[0] == "diff")
    out = ["--out", folder.parent / "report"] if command[0] == "report" else []
    arguments = (*command, *ids, "--results", folder, *out)
    status, before, err = outcome_of(capsys, *arguments)
    assert (status, err) == (0, "")
    shutil.copy(sound, copy := sound.with_name(f"{sound.stem} (1).json"))
    status, after, err = outcome_of(capsys, *arguments)
    assert (status, after) == (0, before)
    assert all(line.startswith(f"cpbench: warning: {copy}: a copy") for line in err.splitlines()) and err


def test_load_results_warns_and_leaves_the_faulty_record_out(folder, sound):
    before = load_results(folder).leaderboard()
    shutil.copy(sound, copy := sound.with_name(f"{sound.stem} (1).json"))
    shutil.copytree(sound.parent, folder / "tiny-3 (old)" / "lora", ignore=lambda *_: [copy.name])
    with pytest.warns(UserWarning) as warned:
        after = load_results(folder).leaderboard()
    assert after.equals(before) and len(warned) == 3
    assert sum(str(copy) in str(w.message) for w in warned) == 1


def test_no_unit_is_called_unused_while_a_file_is_faulty(folder, sound):
    assert unused([], folder) == []
    sound.write_text(sound.read_text()[:-20])
    with pytest.raises(BadInput, match="Nothing was removed"):
        unused([], folder)


def test_a_failed_run_never_replaces_the_record_of_a_finished_one(folder, sound):
    before = sound.read_bytes()
    result = read_result(sound)
    failed = result.model_copy(update={"status": "error", "error": "boom", "scores": [], "cost": []})
    assert write_result(folder, failed) == sound and sound.read_bytes() == before
    sound.write_text("{")
    write_result(folder, failed)
    assert read_result(sound).status == "error"
    assert read_result(write_result(folder, result)) == result == read_result(result_path(folder, result.run))


def test_the_command_prints_every_fault_and_exits_with_2(capsys, folder, sound):
    assert outcome_of(capsys, "validate", folder) == (0, "4 sound records, 0 faulty files (0 faults), 0 notes.\n", "")
    content = plain(read_result(sound))
    identity(content)["value"] = mmd(content)["n"] = -1
    sound.write_text(json.dumps(content))
    status, out, err = outcome_of(capsys, "validate", folder, sound.with_name("no.json"))
    assert status == 2 and "does not exist" in err
    identity(content)["value"], mmd(content)["n"] = 7, 8
    content["cost"][0]["task"] = 3
    sound.write_text(json.dumps(content))
    status, out, _ = outcome_of(capsys, "validate", folder)
    faults = out.splitlines()
    assert status == 2 and faults[-1] == "3 sound records, 1 faulty file (2 faults), 0 notes."
    assert all(line.startswith(f"{sound}: ") for line in faults[:-1])
    status, out, _ = outcome_of(capsys, "validate", sound, "--json")
    assert status == 2 and [f["file"] for f in json.loads(out)["faults"]] == [str(sound)] * 2
