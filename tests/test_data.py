"""Data sets come whole or not at all, whatever the server, the network, the archive or the disk does."""

import errno
import hashlib
import io
import json
import socket
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_own import phone

from conftest import outcome_of, status_of
from cpbench.benchmark.data import fetch as fetching
from cpbench.benchmark.data import web
from cpbench.benchmark.data.fetch import fetch, fetch_from
from cpbench.benchmark.data.manifest import DataSet, Item, data_set, data_sets, faults, lock_file
from cpbench.benchmark.errors import BadInput, FailedRun
from cpbench.benchmark.suite.spec import data_folder, load_suite, suite_names

CONTENT = {f"cat/{k}.jpg": bytes([k]) * (50_000 + k) for k in range(3)} | {"mug/a b.jpg": b"mug" * 20_000}


def item(path, content):
    return Item(path=path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def small(*mirrors, **files):
    """A data set with the files of CONTENT."""
    facts = {"name": "small", "version": "1", "title": "Small", "licence": "CC0", "source": "a test", "note": "None."}
    return DataSet(**facts, mirrors=mirrors, files=tuple(item(p, c) for p, c in (files or CONTENT).items()))


class Server(ThreadingHTTPServer):
    """A mirror on this machine; ``faults`` by path are done once each, in order; ``asked`` has what was asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.asked, self.content = {}, [], {f"/{p.replace(' ', '%20')}": c for p, c in CONTENT.items()}
        self.always = {}

    def serve_forever(self, poll_interval=0.01):
        """So that :meth:`shutdown` waits for hundredths of a second, not for half of one."""
        super().serve_forever(poll_interval)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        begin = self.headers.get("Range")
        self.server.asked.append((self.path, begin))
        fault = self.server.always.get(self.path) or next(iter(self.server.faults.get(self.path, ())), None)
        if self.server.faults.get(self.path):
            self.server.faults[self.path].pop(0)
        content = self.server.content.get(self.path)
        if content is None:
            self.send_error(404)
            return
        at = int(begin.removeprefix("bytes=").rstrip("-")) if begin and fault != "no ranges" else 0
        if fault == "busy":
            self.send_error(503)
        elif fault and fault.startswith("to "):
            self.send_response(302)
            self.send_header("Location", fault.removeprefix("to "))
            self.end_headers()
        elif fault == "hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._send(content, at, begin, fault)

    def _send(self, content, at, begin, fault):
        body = content[at:]
        if fault == "other content":
            body = bytes(len(body))
        elif fault == "longer":
            body += b"x" * 10
        elif fault == "shorter":
            body = body[:-10]
        self.send_response(206 if begin and at else 200)
        if at:
            self.send_header("Content-Range", f"bytes {at}-{len(content) - 1}/{len(content)}")
        if fault not in ("longer, unsaid", "shorter, unsaid"):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "cut":
            body = body[: len(body) // 2]
        elif fault == "longer, unsaid":
            body += b"x" * 1_000_000
        elif fault == "shorter, unsaid":
            body = body[:-10]
        try:
            self.wfile.write(body)
        except OSError:
            pass
        self.close_connection = True


@pytest.fixture
def server():
    made = Server()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("CPBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(web, "_PAUSE", 0.01)
    monkeypatch.setattr(web.download, "__defaults__", (0.01,))


def on_disk(found):
    folder = data_folder(found.name)
    files = [f for f in folder.rglob("*") if f.is_file() and not f.is_relative_to(folder / ".parts")]
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}


def test_every_file_comes_with_the_right_content_and_is_fetched_once(server):
    found, seen = small(server.address), []
    assert fetch(found, found.mirrors, seen.append) == 4
    assert on_disk(found) == CONTENT and sum(seen) == found.size and faults(found) == []
    asked = len(server.asked)
    assert fetch(found, found.mirrors, seen.append) == 0 and len(server.asked) == asked


@pytest.mark.parametrize("fault", ["cut", "hang up", "busy", "shorter, unsaid"])
def test_a_broken_connection_is_tried_again_and_continues(fault, server):
    server.faults = {"/cat/1.jpg": [fault] * 3}
    found, seen = small(server.address), []
    fetch(found, found.mirrors, seen.append)
    assert on_disk(found) == CONTENT and sum(seen) == found.size
    parts = [begin for path, begin in server.asked if path == "/cat/1.jpg"]
    assert len(parts) == 4
    if fault in ("cut", "shorter, unsaid"):
        assert all(parts[1:]), "only the rest is asked for"


def test_what_came_before_a_stop_is_used_by_the_next_command(server):
    server.always = {"/cat/1.jpg": "cut"}
    found = small(server.address)
    server.faults, server.always = {"/cat/1.jpg": ["cut", "hang up", "hang up", "hang up"]}, {}
    with pytest.raises(FailedRun, match="run the same command again"):
        fetch(found, found.mirrors, lambda n: None)
    assert "cat/1.jpg" not in on_disk(found)
    server.asked.clear()
    fetch(found, found.mirrors, lambda n: None)
    assert on_disk(found) == CONTENT
    assert server.asked[0] == ("/cat/1.jpg", f"bytes={len(CONTENT['cat/1.jpg']) // 2}-")


def test_a_server_without_ranges_begins_again(server):
    server.faults = {"/cat/1.jpg": ["cut", "no ranges"]}
    found, seen = small(server.address), []
    fetch(found, found.mirrors, seen.append)
    assert on_disk(found) == CONTENT and sum(seen) == found.size


WRONG = {
    "other content": "another checksum",
    "longer": "not 50,001",
    "shorter": "not 50,001",
    "longer, unsaid": "more than 50,001",
    "to http://example.org/cat.jpg": "not https",
    "to ftp://127.0.0.1/cat.jpg": "not https",
    "to /cat/1.jpg": "from address to address",
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_is_never_taken_and_named(fault, server):
    server.always = {"/cat/1.jpg": fault}
    found = small(server.address)
    with pytest.raises(FailedRun, match=WRONG[fault]):
        fetch(found, found.mirrors, lambda n: None)
    assert "cat/1.jpg" not in on_disk(found)
    assert all(content == CONTENT[path] for path, content in on_disk(found).items())
    parts = data_folder("small") / ".parts"
    assert all(f.stat().st_size <= 50_001 for f in parts.iterdir())
    server.always = {}
    fetch(found, found.mirrors, lambda n: None)
    assert on_disk(found) == CONTENT


@given(st.integers(0, 2**32), st.lists(st.sampled_from(["cut", "busy", "hang up", "no ranges"]), max_size=3))
def test_a_part_of_any_length_and_content_ends_as_the_right_file_or_none(seed, broken):
    from random import Random
    from tempfile import TemporaryDirectory

    content, chance = bytes(range(256)) * 20, Random(seed)
    server = Server()
    server.content, server.faults = {"/x": content}, {"/x": list(broken)}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with TemporaryDirectory() as folder:
        part = Path(folder, "part")
        begin = content[: chance.randrange(len(content) + 100)] if chance.random() < 0.6 else chance.randbytes(2000)
        part.write_bytes(begin)
        seen = [len(begin)]
        try:
            web.download(f"{server.address}x", part, len(content), item("x", content).sha256, seen.append, 0.0)
            assert part.read_bytes() == content
        except (web.Wrong, web.Broken):
            assert not content.startswith(begin) or len(broken) == 4
        assert sum(seen) == (part.stat().st_size if part.exists() else 0), "progress tells what is there"
    server.shutdown()
    server.server_close()


def test_the_next_mirror_is_asked_where_one_fails(server):
    server.always = {"/cat/1.jpg": "other content"}
    other = Server()
    threading.Thread(target=other.serve_forever, daemon=True).start()
    fetch(small(), [server.address, other.address], lambda n: None)
    assert on_disk(small()) == CONTENT and [path for path, _ in other.asked] == ["/cat/1.jpg"]
    other.shutdown()
    other.server_close()


def archive(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members:
            made.writestr(name, content)
    return out.getvalue()


def test_an_archive_may_have_more_and_only_what_is_wanted_is_taken(server, tmp_path):
    evil = [("../../evil.txt", b"x"), ("/abs.txt", b"x"), ("small-main/dataset/../../up.jpg", b"x")]
    slip = [("../cat/0.jpg", b"evil"), ("x/cat/0.jpg", bytes(50_000))]
    server.content["/all.zip"] = archive([*evil, *slip, *((f"small-main/dataset/{p}", c) for p, c in CONTENT.items())])
    found = small(f"{server.address}all.zip")
    fetch(found, found.mirrors, lambda n: None)
    assert on_disk(found) == CONTENT
    assert sum(1 for path, _ in server.asked if path == "/all.zip") == 1
    made = {f.name for f in tmp_path.rglob("*") if f.is_file()}
    assert made <= {Path(p).name for p in CONTENT} | {".small.lock"}


def test_of_an_archive_that_grows_without_end_only_what_a_file_should_have_is_read(server, monkeypatch):
    bomb = archive([("cat/1.jpg", bytes(200_000_000)), *((p, c) for p, c in CONTENT.items() if p != "cat/1.jpg")])
    assert len(bomb) < 1_000_000
    server.content["/all.zip"] = bomb
    with pytest.raises(FailedRun, match="does not have it"):
        fetch(small(), [f"{server.address}all.zip"], lambda n: None)
    assert "cat/1.jpg" not in on_disk(small()) and len(on_disk(small())) == 3


def test_an_archive_that_is_too_large_or_none_is_refused(server, monkeypatch):
    monkeypatch.setattr(fetching, "_ROOM", 0)
    server.content["/all.zip"] = archive(CONTENT.items()) + bytes(small().size)
    with pytest.raises(FailedRun, match="bytes"):
        fetch(small(), [f"{server.address}all.zip"], lambda n: None)
    server.content["/all.zip"] = b"<html>not here</html>"
    with pytest.raises(FailedRun, match="no ZIP archive"):
        fetch(small(), [f"{server.address}all.zip"], lambda n: None)
    assert on_disk(small()) == {}


def test_a_full_disk_leaves_nothing_that_counts_and_the_next_command_goes_on(server, monkeypatch, tmp_path):
    def full(self, mode="r", *more, **options):
        if "b" in mode and ("w" in mode or "a" in mode):
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return real(self, mode, *more, **options)

    real = Path.open
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(small(server.address), [server.address], lambda n: None)
    monkeypatch.undo()
    assert on_disk(small()) == {}
    monkeypatch.setenv("CPBENCH_HOME", str(tmp_path / "home"))
    fetch(small(server.address), [server.address], lambda n: None)
    assert on_disk(small()) == CONTENT


def test_two_at_once_fetch_every_file_once(server):
    found, failures = small(server.address), []

    def one():
        try:
            fetch(found, found.mirrors, lambda n: None)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures and on_disk(found) == CONTENT
    assert len(server.asked) == 4


def written(folder):
    for path, content in CONTENT.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.mark.parametrize("kind", ["folder", "inside", "zip", "tar.gz"])
def test_files_are_taken_from_a_folder_or_an_archive_of_ones_own(kind, tmp_path):
    folder = written(tmp_path / "own" / ("dataset" if kind == "inside" else ""))
    source = tmp_path / "own"
    if kind == "zip":
        source = tmp_path / "own.zip"
        source.write_bytes(archive(CONTENT.items()))
    elif kind == "tar.gz":
        source = tmp_path / "own.tar.gz"
        with tarfile.open(source, "w:gz") as made:
            made.add(folder, "dreambooth")
    assert fetch_from(small(), source) == 4
    assert on_disk(small()) == CONTENT


def test_of_a_folder_only_right_files_are_taken_and_no_links(tmp_path):
    folder = written(tmp_path / "own")
    (folder / "cat/1.jpg").write_bytes(b"other")
    (folder / "cat/2.jpg").rename(tmp_path / "2.jpg")
    (folder / "cat/2.jpg").symlink_to(tmp_path / "2.jpg")
    with pytest.raises(BadInput, match="2 files of small not there"):
        fetch_from(small(), folder)
    assert set(on_disk(small())) == {"cat/0.jpg", "mug/a b.jpg"}


@pytest.mark.parametrize("path", ["../x.jpg", "/x.jpg", "a/../x.jpg", "a//b.jpg", "C:x.jpg", "a\\b.jpg", "", "."])
def test_a_list_with_a_path_that_leads_elsewhere_is_refused(path):
    with pytest.raises(ValueError, match="path"):
        item(path, b"x")


@pytest.mark.parametrize(
    "address", ["http://example.org/", "ftp://example.org/", "file:///etc/", "https://", "x", "http://[::bad/"]
)
def test_only_https_and_this_machine_may_be_mirrors(address, capfd):
    assert status_of("data", "fetch", "dreambooth", "--mirror", address) == 2
    assert "begins with https://" in capfd.readouterr().err


def test_the_lists_that_ship_are_valid_and_every_mirror_is_https():
    for name, found in data_sets().items():
        assert found.name == name and found.licence and found.source
        assert all(address.startswith("https://") for address in found.mirrors)
        assert len({f.path for f in found.files}) == len(found.files)


def test_the_command_fetches_verifies_and_names_what_is_wrong(server, capsys, monkeypatch):
    monkeypatch.setattr("cpbench.benchmark.verbs.data.data_set", lambda name: small(server.address))
    monkeypatch.setattr("cpbench.benchmark.verbs.data.data_sets", lambda: {"small": small(server.address)})
    status, out, _ = outcome_of(capsys, "data", "fetch", "small")
    assert status == 0 and "4 files fetched; small is whole" in out and "CC0" in out
    assert outcome_of(capsys, "data", "verify", "small")[0] == 0
    (data_folder("small") / "cat/0.jpg").write_bytes(bytes(50_000)[:-1] + b"x")
    (data_folder("small") / "cat/1.jpg").unlink()
    status, _, error = outcome_of(capsys, "data", "verify", "small")
    assert status == 1 and "cat/0.jpg is another file; cat/1.jpg is missing" in error
    assert outcome_of(capsys, "data", "fetch", "small")[0] == 0
    assert on_disk(small()) == CONTENT


def test_an_own_copy_is_locked_and_a_change_is_found(tmp_path, capsys):
    for place in ("cat_statue", "clock"):
        (tmp_path / "sets" / place).mkdir(parents=True)
        for k, picture in enumerate(phone("cat", 3, 2)):
            picture.save(tmp_path / "sets" / place / f"{k}.jpg")
    (tmp_path / "sets" / "clock" / "run.exe").write_bytes(b"MZ")
    status, out, error = outcome_of(capsys, "data", "fetch", "textual-inversion")
    assert status == 2 and "--from FOLDER" in error and "cat_statue" in error
    status, out, _ = outcome_of(capsys, "data", "fetch", "textual-inversion", "--from", tmp_path / "sets")
    assert status == 0 and "4 files" in out
    assert data_set("textual-inversion").files[0].path == "cat_statue/0.jpg"
    assert outcome_of(capsys, "data", "verify", "textual-inversion")[0] == 0
    (data_folder("textual-inversion") / "clock" / "0.jpg").write_bytes(b"x")
    assert outcome_of(capsys, "data", "verify", "textual-inversion")[0] == 1
    assert outcome_of(capsys, "data", "lock", "textual-inversion")[0] == 0
    assert outcome_of(capsys, "data", "verify", "textual-inversion")[0] == 0
    lock_file("textual-inversion").write_text("{")
    status, _, error = outcome_of(capsys, "data", "verify", "textual-inversion")
    assert status == 2 and "cannot be read" in error
    lock_file("textual-inversion").write_text(json.dumps([{"path": "../x", "bytes": 1, "sha256": "0" * 64}]))
    status, _, error = outcome_of(capsys, "data", "verify", "textual-inversion")
    assert status == 2 and "no path inside" in error


def test_a_suite_names_the_data_set_that_it_lacks(capsys, tmp_path):
    needing = [name for name in suite_names() if load_suite(name).data]
    assert "dreambooth-10" in needing
    for name in needing:
        data = load_suite(name).data[0]
        assert set(load_suite(name).data) <= set(data_sets())
        status, _, error = outcome_of(
            capsys, "run", "--methods", "lora", "--suite", name, "--backbone", "tiny", "--out", tmp_path / "out"
        )
        assert status == 2 and f"cpbench data fetch {data}" in error, error
        for c in load_suite(name).concepts:
            place, _, folder = c.folder.partition("/")
            listed = {f.path.partition("/")[0] for f in data_sets()[place].files}
            assert place in load_suite(name).data and (not listed or folder in listed)
