"""Text to shapes: the real SDK against a local server, for every way in which an answer can be good or bad."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anthropic
import numpy as np
import pytest

from puffer_envs.voxel_swarm import text_shapes
from puffer_envs.voxel_swarm.shapes import Shape, load_shapes, save_shapes

Reply = Callable[[BaseHTTPRequestHandler], None]

TOWER = [[4, 0, 4], [4, 1, 4], [4, 2, 4]]
OLD = Shape("an old one", "", 10, np.array([[0, 0, 0]], np.int16))


# -- what a server can answer ------------------------------------------------------------------------------------
def raw(status: int, body: bytes, kind: str = "application/json") -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        handler.send_header("retry-after-ms", "5")
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def message(text: str, stop_reason: str = "end_turn", **more: Any) -> Reply:
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": text_shapes.MODEL,
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    return raw(200, json.dumps(body | more).encode())


def voxels(triples: list) -> Reply:
    return message(json.dumps({"voxels": [dict(zip("xyz", triple, strict=True)) for triple in triples]}))


def error(status: int, kind: str, words: str) -> Reply:
    return raw(status, json.dumps({"type": "error", "error": {"type": kind, "message": words}}).encode())


HTML = raw(200, b"<!doctype html><html><body>Sign in to the network</body></html>", "text/html")
TOO_MANY = error(429, "rate_limit_error", "slow down")
BROKEN = error(500, "api_error", "something broke")


# -- the server --------------------------------------------------------------------------------------------------
class Api:
    """A server that gives the replies in turn, the last one for ever, and keeps the requests."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[dict[str, Any]] = []
        self.released = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                api.requests.append({"path": self.path, "headers": str(self.headers), **json.loads(body)})
                reply = api.replies.pop(0) if len(api.replies) > 1 else api.replies[0]
                reply(self)

            def log_message(self, *_) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def silence(self, handler: BaseHTTPRequestHandler) -> None:
        self.released.wait(10)

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    api = Api()
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key-for-tests")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(anthropic._base_client, "INITIAL_RETRY_DELAY", 0.01)
    yield api
    api.close()


class Command:
    """Runs the command in a folder with a library of one shape."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture) -> None:
        self.out, self.cache, self._capsys = folder / "shapes.jsonl", folder / "cache", capsys
        save_shapes(self.out, [OLD])
        self.before = self.out.read_bytes()

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """The exit code, and what was said on both streams."""
        code = text_shapes.main([*arguments, "--out", str(self.out), "--cache-dir", str(self.cache)])
        said = self._capsys.readouterr()
        return code, said.out + said.err

    def added(self) -> list[tuple[str, list]]:
        assert self.out.read_bytes().startswith(self.before)
        return [(shape.text, shape.voxels.tolist()) for shape in load_shapes(self.out, 10)[1:]]


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture) -> Command:
    return Command(tmp_path, capsys)


# -- good answers ------------------------------------------------------------------------------------------------
def test_an_answer_becomes_a_line_of_the_library(api: Api, command: Command) -> None:
    api.replies = [voxels(TOWER[::-1])]
    assert command("a tower") == (0, f"'a tower': 3 voxels in a grid of 10, added to {command.out}\n")
    assert command.added() == [("a tower", TOWER)]
    line = json.loads(command.out.read_text().split("\n")[1])
    assert line == {"text": "a tower", "grid": 10, "voxels": TOWER, "voxel_count": 3}


def test_what_is_asked(api: Api, command: Command) -> None:
    api.replies = [voxels(TOWER)]
    assert command("a tower", "--grid", "16", "--model", "some-model")[0] == 0
    (request,) = api.requests
    assert (request["path"], request["model"]) == ("/v1/messages", "some-model")
    assert "a-key-for-tests" in request["headers"]  # under one name or another: the SDK has changed it
    assert request["messages"] == [{"role": "user", "content": "a tower"}]
    assert "from 0 to 15" in request["system"]
    schema = request["output_config"]["format"]["schema"]
    assert schema["$defs"]["Voxel"]["required"] == ["x", "y", "z"]
    assert schema["required"] == ["voxels"]


def test_the_base_url_can_be_given(api: Api, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")  # where nobody listens
    api.replies = [voxels(TOWER)]
    assert command("a tower", "--base-url", api.url)[0] == 0


def test_an_answer_is_asked_for_once(api: Api, command: Command) -> None:
    api.replies = [voxels(TOWER)]
    assert command("a tower")[0] == 0
    code, said = command("a tower")
    assert (code, len(api.requests)) == (0, 1)
    assert "already in" in said
    assert len(command.added()) == 1
    for other in (("a tall tower",), ("a tower", "--grid", "12"), ("a tower", "--model", "another")):
        assert command(*other)[0] == 0
    assert len(api.requests) == 4


def test_a_cached_answer_needs_no_key(api: Api, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    api.replies = [voxels(TOWER)]
    assert command("a tower")[0] == 0
    command.out.write_bytes(command.before)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    assert command("a tower")[0] == 0
    assert command.added() == [("a tower", TOWER)]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"voxels": 7}', b'{"voxels": [[0, 5, 0]]}', b"\xff"])
def test_a_damaged_cache_is_asked_for_anew(api: Api, command: Command, damage: bytes) -> None:
    api.replies = [voxels(TOWER)]
    assert command("a tower")[0] == 0
    (file,) = command.cache.iterdir()
    good = file.read_bytes()
    file.write_bytes(damage)
    assert command("a tower")[0] == 0
    assert len(api.requests) == 2
    assert file.read_bytes() == good


def test_a_cache_that_cannot_be_written_costs_no_answer(api: Api, command: Command) -> None:
    command.cache.write_text("a file where the folder should be")
    api.replies = [voxels(TOWER)]
    code, said = command("a tower")
    assert code == 0
    assert "warning: the answer could not be kept" in said
    assert command.added() == [("a tower", TOWER)]


@pytest.mark.parametrize("trouble", [TOO_MANY, BROKEN, error(529, "overloaded_error", "busy")])
def test_passing_trouble_is_tried_again(api: Api, command: Command, trouble: Reply) -> None:
    api.replies = [trouble, trouble, voxels(TOWER)]
    assert command("a tower")[0] == 0
    assert len(api.requests) == 3
    assert command.added() == [("a tower", TOWER)]


# -- no answer ---------------------------------------------------------------------------------------------------
def assert_refused(command: Command, said: tuple[int, str], *words: str) -> None:
    """Exit code 2, one sentence with the words, and the library as it was."""
    code, text = said
    assert code == 2
    assert text.startswith("error: ")
    assert text.count("\n") == 1
    for word in words:
        assert word in text
    assert command.out.read_bytes() == command.before


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (message("Sure! Here is a tower:"), "not the JSON"),
        (message('{"voxels": [{"x": 1'), "not the JSON"),
        (message('{"shape": []}'), "not the JSON"),
        (message('{"voxels": [{"x": 1, "y": 0.5, "z": 1}]}'), "not the JSON"),
        (message('{"voxels": [{"x": 1, "y": "0", "z": 1}]}'), "not the JSON"),
        (message(""), "not the JSON"),
        (message("", content=[]), "not the JSON"),
        (message("", content="voxels"), "no answer of the API"),
        (message('{"voxels": [', "max_tokens"), "smaller --grid"),
        (message("I cannot", "refusal"), "refused to answer (it gave no reason)"),
        (
            message(
                "", "refusal", content=[], stop_details={"type": "refusal", "explanation": "not\x1b[31m this\none"}
            ),
            "refused to answer (not [31m this one)",
        ),
        (HTML, "no answer of the API; check --base-url (<!doctype html>"),
        (raw(200, b'{"hello": 1}'), "no answer of the API"),
        (raw(200, b"[]"), "no answer of the API"),
        (raw(200, b"{"), "not be read"),
        (raw(200, b""), "not be read"),
        (TOO_MANY, "429: too many requests"),
        (BROKEN, "500: it is in trouble: try later (something broke)"),
        (raw(502, b"<html>Bad gateway</html>", "text/html"), "502"),
        (error(401, "authentication_error", "invalid x-api-key"), "401: check ANTHROPIC_API_KEY"),
        (error(404, "not_found_error", "model: nope"), "whether there is a model"),
        (error(400, "invalid_request_error", "max_tokens: too much"), "max_tokens: too much"),
        (voxels([]), "0 voxels where 1 to 1000"),
        (voxels([[0, 0, 0], [2, 0, 0]]), "2 pieces"),
        (voxels([[0, 0, 0], [0, 0, 10]]), "1 of its voxels lie outside the grid of 10, the first at [0, 0, 10]"),
        (voxels([[0, 3, 0]]), "does not touch the ground"),
        (voxels([[0, 0, 10**25]]), "far beyond"),
    ],
)
def test_bad_answers_are_refused(api: Api, command: Command, reply: Reply, words: str) -> None:
    api.replies = [reply]
    assert_refused(command, command("a tower"), words, "'a tower'")


def test_a_million_voxels_are_refused(api: Api, command: Command) -> None:
    api.replies = [message('{"voxels": [' + ",".join(['{"x":1,"y":0,"z":1}'] * 1_000_000) + "]}")]
    assert_refused(command, command("a city"), "1000000 voxels where 1 to 1000")


def test_too_many_voxels_cannot_be_mended(api: Api, command: Command) -> None:
    api.replies = [voxels([[1, 0, 1]] * 1001)]
    assert_refused(command, command("a city", "--mend"), "1001 voxels where 1 to 1000")


def test_silence_is_a_time_out(api: Api, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_shapes, "TIMEOUT_SECONDS", 0.1)
    api.replies = [api.silence]
    assert_refused(command, command("a tower"), "did not answer within 0.1 s")
    assert len(api.requests) == 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "no url at all", "http://["])
def test_nobody_there(api: Api, command: Command, url: str) -> None:
    assert_refused(command, command("a tower", "--base-url", url))


@pytest.mark.parametrize("key", ["", "schlüssel", "two\nlines"])
def test_bad_keys(api: Api, command: Command, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    api.replies = [error(401, "authentication_error", "invalid x-api-key")]
    code, said = command("a tower")
    assert_refused(command, (code, said))
    assert not key or key not in said


@pytest.mark.parametrize("prompt", ["", " ", "two\nlines", "\udcff"])
def test_bad_prompts_are_not_asked(api: Api, command: Command, prompt: str) -> None:
    assert_refused(command, command(prompt), "printable")
    assert api.requests == []


def test_an_impossible_grid_is_not_asked_for(api: Api, command: Command) -> None:
    assert_refused(command, command("a tower", "--grid", "1000"), "from 4 to 256")
    assert api.requests == []


def test_a_full_disk_leaves_the_library_as_it_was(api: Api, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    api.replies = [voxels(TOWER)]

    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    code, said = command("a tower")
    assert code == 2
    assert "No space left" in said
    assert command.out.read_bytes() == command.before
    assert not list(command.out.parent.glob(".*"))


def test_without_a_key_the_message_names_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", text_shapes.__name__, "a castle", "--cache-dir", "cache"]
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(text_shapes.__file__).parents[2])}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "ANTHROPIC_API_KEY" in run.stderr
    assert not (tmp_path / "shapes.jsonl").exists()


# -- mending -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("answer", "mended", "changes"),
    [
        (TOWER, TOWER, []),
        ([[0, 3, 0], [0, 4, 0]], [[0, 0, 0], [0, 1, 0]], ["moved down by 3 to the ground"]),
        (  # counted from 1
            [[x, 1, 1] for x in range(1, 11)],
            [[x, 0, 1] for x in range(10)],
            ["moved by [-1, 0, 0] into the grid", "moved down by 1 to the ground"],
        ),
        ([[2, -2, 2], [2, -1, 2]], [[2, 0, 2], [2, 1, 2]], ["moved by [0, 2, 0] into the grid"]),
        (  # too long to fit
            [[x, 0, 3] for x in range(-1, 11)],
            [[x, 0, 3] for x in range(10)],
            ["dropped 2 voxels outside the grid"],
        ),
        ([[0, 0, 0], *TOWER, [9, 9, 9]], TOWER, ["dropped 2 voxels of 2 smaller pieces"]),
        (
            [[0, 0, 0], [0, 0, 12], [5, 4, 5], [5, 5, 5]],
            [[5, 0, 5], [5, 1, 5]],
            [
                "dropped 1 voxels outside the grid",
                "dropped 1 voxels of 1 smaller pieces",
                "moved down by 4 to the ground",
            ],
        ),
    ],
)
def test_mending_says_what_it_changes(api: Api, command: Command, answer: list, mended: list, changes: list) -> None:
    api.replies = [voxels(answer)]
    code, said = command("a thing", "--mend")
    assert code == 0
    assert command.added() == [("a thing", mended)]
    told = [line.split("mended: ")[1] for line in said.splitlines() if "mended: " in line]
    assert told == changes


def test_nothing_left_to_mend(api: Api, command: Command) -> None:
    api.replies = [voxels([[-50, 0, 0], [50, 0, 0]])]
    assert_refused(command, command("a thing", "--mend"), "cannot be mended")


def test_a_refused_answer_can_be_mended_without_asking_again(api: Api, command: Command) -> None:
    api.replies = [voxels([[0, 3, 0]])]
    assert_refused(command, command("a thing"), "--mend")
    assert command("a thing", "--mend")[0] == 0
    assert len(api.requests) == 1
    api.replies = [voxels(TOWER)]
    assert command("a thing")[0] == 0  # but without --mend it is asked for anew
    assert len(api.requests) == 2


# -- many prompts ------------------------------------------------------------------------------------------------
def test_a_failed_prompt_does_not_stop_the_others(api: Api, command: Command, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a tower\n\n  a cloud \na stump\n")
    api.replies = [voxels(TOWER), voxels([[0, 5, 0]]), voxels([[1, 0, 1]])]
    code, said = command("--prompts", str(tmp_path / "prompts.txt"))
    assert code == 2
    assert command.added() == [("a tower", TOWER), ("a stump", [[1, 0, 1]])]
    assert "error: 'a cloud': the answer is no shape: it does not touch the ground" in said
    assert said.endswith("error: 1 of 3 prompts failed: 'a cloud'\n")
    api.replies = [voxels([[5, 0, 5]])]
    assert command("--prompts", str(tmp_path / "prompts.txt"))[0] == 0
    assert [text for text, _ in command.added()] == ["a tower", "a stump", "a cloud"]


@pytest.mark.parametrize("content", [None, b"", b"\n \n", b"\xff\xfe"])
def test_bad_files_of_prompts(api: Api, command: Command, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "prompts.txt").write_bytes(content)
    assert_refused(command, command("--prompts", str(tmp_path / "prompts.txt")), "prompts.txt")


@pytest.mark.parametrize("arguments", [[], ["a tower", "--prompts", "prompts.txt"]])
def test_one_source_of_prompts(command: Command, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        command(*arguments)
    assert exit_.value.code == 2
