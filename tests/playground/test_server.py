"""Who may ask, what is answered, and that nothing is left when it ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from autograd_nn.playground import server
from autograd_nn.playground.problem import Table
from autograd_nn.playground.server import MOST_BYTES, MOST_SESSIONS, serve

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds, on a machine that is busy


# --- who may ask


def test_the_page(client):
    status, text, headers = client.request("GET", client.root.path)
    assert status == 200 and text.startswith("<!doctype html>")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
    assert "http" not in re.sub(r"http://www\.w3\.org/\S+", "", text)  # nothing from elsewhere
    for name in re.findall(r'(?:src|href)="([^"#]+)"', text):
        status, part, headers = client.request("GET", client.root.path + name)
        assert status == 200 and part, name
        assert "http" not in part.replace("http://www.w3.org/2000/svg", "")


def test_it_listens_on_this_computer_only(playground):
    assert playground.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "", None, "127.0.0.1:1", "0.0.0.0:{port}"]
)
def test_other_names_are_refused(client, host):
    host = host and host.format(port=client.root.port)
    assert client.request("GET", client.root.path, Host=host)[0] == 403
    assert client.ask("start", {}, Host=host)[0] == 403


def test_localhost_is_this_computer(client):
    assert client.ask("start", {}, Host=f"LocalHost:{client.root.port}")[0] == 200


@pytest.mark.parametrize("path", ["/", "/wrong/", "//", "/wrong/page.js", "/favicon.ico", "*", "/é/"])
def test_without_the_key_there_is_nothing(client, path):
    status, text, _ = client.request("GET", path.encode("latin-1").decode("latin-1") if path != "/é/" else "/%C3%A9/")
    assert status == 403 and "autograd-nn playground" in text
    assert client.playground.key not in text and client.playground.token not in text


@pytest.mark.parametrize(
    "name", ["../server.py", "..%2fserver.py", "page.html", "nothing.js", "..", "page.css/", "%00"]
)
def test_no_other_files(client, name):
    assert client.request("GET", client.root.path + name)[0] in (403, 404)


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Token": "wrong"},
        {"X_Token": None},
        {"X_Token": "ä"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_only_the_page_may_change_anything(client, headers):
    headers = {k: v.encode() if v == "ä" else v for k, v in headers.items()}
    for name in ("start", "close", "load"):
        status, answer = client.ask(name, {}, **headers)
        assert status == 403 and answer["error"]
    assert not client.playground.sessions and not client.playground.ended.is_set()


def test_the_page_itself_may(client):
    own = f"http://{client.root.netloc}"
    assert client.ask("start", {}, Origin=own, Sec_Fetch_Site="same-origin")[0] == 200


# --- what is answered


def test_a_game(client):
    session, answer = client.begin(data="circles", batch_size=10)
    assert answer["setup"]["settings"]["data"] == "circles" and answer["frame"]["step"] == 0
    assert client.good("act", session=session, action="step")["frame"]["step"] == 1
    assert client.good("act", session=session, action="epoch")["frame"]["step"] == 10
    client.good("act", session=session, action="play")
    time.sleep(0.2)
    paused = client.good("act", session=session, action="pause")["frame"]
    assert paused["step"] > 20 and not paused["playing"]
    assert client.good("act", session=session, action="rate", value=0.5)["frame"]["rate"] == 0.5
    assert client.good("act", session=session, action="speed", value=None)
    program = client.good("program", session=session)
    assert program["step"] == paused["step"] and f"> {paused['step']}" in program["code"]
    again = client.good("start", session=session, settings={"data": "xor"})
    assert again["session"] == session and again["frame"]["step"] == 0
    assert len(client.playground.sessions) == 1
    client.good("leave", session=session)
    assert client.ask("frame", {"session": session})[0] == 410


def test_tabs_have_sessions_of_their_own(client):
    (one, _), (other, _) = client.begin(seed=1), client.begin(seed=2)
    client.good("act", session=one, action="step")
    assert client.good("frame", session=one)["frame"]["step"] == 1
    assert client.good("frame", session=other)["frame"]["step"] == 0


def test_there_is_an_end_of_sessions(client):
    for _ in range(MOST_SESSIONS):
        client.begin(points=20)
    status, answer = client.ask("start", {"settings": {}})
    assert status == 429 and "close some" in answer["error"]


def test_idle_sessions_are_dropped(served, client_of):
    client = client_of(served(idle=0.3))
    session, _ = client.begin()
    (found,) = client.playground.sessions.values()
    for _ in range(3):
        time.sleep(0.15)
        client.good("frame", session=session)  # somebody is there
    deadline = time.monotonic() + 10
    while client.playground.sessions and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not client.playground.sessions and not found.trainer.alive
    status, answer = client.ask("frame", {"session": session})
    assert status == 410 and "begin anew" in answer["error"]


@pytest.mark.parametrize(
    ("name", "asked", "status", "fault"),
    [
        ("start", {"settings": {"hidden": [4000]}}, 400, "up to 6 hidden layers"),
        ("start", {"settings": {"learning_rate": "x"}}, 400, "learning rate wanted a number"),
        ("start", {"settings": {"data": "csv"}}, 400, "no CSV file yet"),
        ("start", {"settings": 3}, 400, "names and values"),
        ("act", {"session": "x"}, 410, "begin anew"),
        ("act", {"session": ["x"]}, 410, "begin anew"),
        ("frame", {}, 410, "begin anew"),
        ("nothing", {}, 404, "no such question"),
    ],
)
def test_questions_that_make_no_sense(client, name, asked, status, fault):
    came, answer = client.ask(name, asked)
    assert came == status and fault in answer["error"]


@pytest.mark.parametrize(
    ("name", "asked", "fault"),
    [
        ("act", {"action": "jump"}, "no action 'jump'"),
        ("act", {"action": "speed", "value": "fast"}, "speed wanted"),
        ("act", {"action": "speed", "value": 0}, "speed wanted"),
        ("act", {"action": "rate", "value": -1}, "learning rate wanted"),
        ("frame", {"generation": "x"}, "whole numbers"),
        ("frame", {"have": -1}, "whole numbers"),
        ("load", {"name": 3, "text": ""}, "a name and a text"),
        ("load", {"name": "empty.csv", "text": ""}, "empty.csv is empty"),
    ],
)
def test_questions_of_a_session_that_make_no_sense(client, name, asked, fault):
    session, _ = client.begin()
    status, answer = client.ask(name, {**asked, "session": session})
    assert status == 400 and fault in answer["error"]
    assert client.good("frame", session=session)["frame"]["step"] == 0  # it goes on


def test_what_is_no_json_or_too_large(client):
    path = client.root.path + "start"
    assert client.request("POST", path, b"{")[0] == 400
    assert client.request("POST", path, b"\xff")[0] == 400
    assert client.request("POST", path, b"[1]")[0] == 400
    assert client.request("POST", path, b"[" * 100_000)[0] == 400
    assert client.request("POST", path, b"{}", Content_Type="text/plain")[0] == 415
    assert client.request("POST", path, None)[0] == 411
    assert client.request("POST", path, b"", Content_Length="-1")[0] == 411
    assert client.request("POST", path, b"", Content_Length=str(MOST_BYTES + 1))[0] == 413
    assert client.request("PUT", path, b"")[0] == 501


def test_a_file_that_is_sent(client, flowers):
    session, _ = client.begin()
    answer = client.good("load", session=session, name="flowers.csv", text=flowers)
    assert answer["session"] == session
    assert answer["table"]["name"] == "flowers.csv" and answer["table"]["targets"][-1] == "kind"
    assert answer["setup"]["axes"] == ["length", 'wid"th <b>']
    again = client.good("start", session=session, settings={**answer["setup"]["settings"], "seed": 4})
    assert again["setup"]["settings"]["seed"] == 4 and again["table"]["name"] == "flowers.csv"
    bad = client.ask("load", {"session": session, "name": "x.csv", "text": "a,b\n1,2\n"})
    assert bad[0] == 400 and "x.csv wanted two columns of numbers" in bad[1]["error"]
    assert client.good("frame", session=session)["frame"]["step"] == 0


def test_a_file_to_begin_with(served, client_of, flowers):
    client = client_of(served(table=Table.of_text("flowers.csv", flowers), target="kind"))
    session, answer = client.good("start")["session"], client.good("start")
    assert answer["setup"]["settings"]["data"] == "csv" and len(answer["setup"]["classes"]) == 2
    assert session


def test_the_explorer(client):
    session, _ = client.begin()
    client.good("act", session=session, action="step")
    status, text, headers = client.request("GET", f"{client.root.path}explorer?session={session}")
    assert status == 200 and text.startswith("<!doctype html>") and "after 1 step" in text
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert client.request("GET", f"{client.root.path}explorer?session=x")[0] == 410
    assert client.request("GET", f"{client.root.path}explorer")[0] == 410


def test_a_browser_that_goes_away_or_says_nothing(client):
    for text in (b"", b"GET", b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n"):
        with socket.create_connection((client.root.hostname, client.root.port)) as connection:
            connection.sendall(text)
    client.begin()
    with socket.create_connection((client.root.hostname, client.root.port)):  # opened ahead, says nothing
        began = time.monotonic()
        client.good("close")
        deadline = time.monotonic() + 5
        while not client.playground.ended.is_set() and time.monotonic() < deadline:
            time.sleep(0.02)
        client.playground.server_close()
        assert time.monotonic() - began < server.SECONDS  # not waited for


# --- beginning and ending


def test_the_port_is_free_again(served, client_of):
    playground = served()
    port = playground.server_address[1]
    client_of(playground).good("close")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            again = served(port=port)
            break
        except OSError:
            playground.server_close()
    assert again.server_address[1] == port


def test_no_session_begins_when_it_has_ended(playground):
    playground.end()
    with pytest.raises(server.Refused, match="has ended"):
        playground.begin(None, playground.first, None)


@pytest.fixture
def started():
    """Start the command; return the process, and the address that it prints."""
    processes = []

    def started(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", "-m", "autograd_nn", "playground", "--no-browser", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        processes.append(process)
        line = process.stdout.readline()
        return process, re.search(r"http://\S+", line).group() if "http" in line else line

    yield started
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for another process")
def test_ctrl_c_ends_it_while_networks_learn(started):
    process, url = started("--port", "0")
    page = urllib.request.urlopen(url, timeout=PATIENCE).read().decode()
    token = json.loads(re.search(r'id="about">(.*?)</script>', page).group(1))["token"]

    def ask(name, **asked):
        request = urllib.request.Request(
            url + name, json.dumps(asked).encode(), {"X-Token": token, "Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    for _ in range(3):
        ask("act", session=ask("start")["session"], action="play")
    with socket.create_connection(("127.0.0.1", urlsplit(url).port)):  # a browser's, which says nothing
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)  # it ends only if no thread is left
    assert process.returncode == 0
    assert errors == ""
    with socket.socket() as again:  # the port is free
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", urlsplit(url).port))


def test_the_page_ends_it(started, tmp_path, flowers):
    path = tmp_path / "flowers.csv"
    path.write_text(flowers, encoding="utf-8")
    process, url = started("--port", "0", "--data", str(path), "--target", "kind")
    page = urllib.request.urlopen(url, timeout=PATIENCE).read().decode()
    about = json.loads(re.search(r'id="about">(.*?)</script>', page).group(1))
    assert about["first"]["columns"][-1] == "kind"
    request = urllib.request.Request(
        url + "close", b"{}", {"X-Token": about["token"], "Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=PATIENCE).read()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and errors == ""


@pytest.mark.parametrize(
    ("arguments", "code", "fault"),
    [
        (["--data", "nothing.csv"], 1, "nothing.csv"),
        (["--target", "x"], 1, "--data file.csv"),
        (["--port", "x"], 2, "--port"),
        (["--port", "70000"], 2, "--port"),
    ],
)
def test_wrong_words(started, arguments, code, fault):
    process, _ = started(*arguments)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == code and fault in errors and "Traceback" not in errors


def test_a_port_that_is_taken(monkeypatch):
    said = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} is taken"):
            serve(port=port, browser=False)
        # the usual port may be taken too: then any other is taken in its place
        monkeypatch.setattr(server, "PORT", port)
        monkeypatch.setattr(server.Playground, "serve_until_ended", lambda self: None)
        serve(browser=False, say=said.append)
    assert "http://127.0.0.1:" in said[0] and f":{port}/" not in said[0]


def test_it_opens_the_browser(monkeypatch):
    opened = threading.Event()
    monkeypatch.setattr(server.webbrowser, "open", lambda url: opened.set())
    monkeypatch.setattr(server.Playground, "serve_until_ended", lambda self: opened.wait(5))
    serve(port=0, say=lambda _: None)
    assert opened.is_set()


def test_it_is_found_on_the_command_line(capsys):
    from autograd_nn import cli

    assert cli.main(["playground", "--help"]) == 0
    assert "--no-browser" in capsys.readouterr().out
