"""The playground's server: this computer only, one page, a session for each tab.

Who may ask? The address holds a key that changes with every start; the server listens on 127.0.0.1 and refuses other
names in `Host` (a foreign page may let its own name point here); and what changes anything also wants a token that
stands in the page, and comes from the page's own origin. Sizes are limited, and nothing is written or fetched.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hmac
import json
import math
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .. import __version__
from ..optim import OPTIMIZERS
from ..visualize import to_html
from .code import code
from .frame import Frames, setup
from .problem import Problem, Table, problem
from .settings import ACTIVATIONS, DATA, INITIAL, LIMITS, Settings
from .trainer import Trainer

__all__ = ["Playground", "Refused", "serve"]

HOST, PORT = "127.0.0.1", 8642
PAGE = Path(__file__).parent / "page"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
MOST_BYTES = 3_000_000  # of a request
MOST_SESSIONS = 16
IDLE = 1800.0  # seconds after which a session that nobody asks is dropped
UNWATCHED = 8.0  # seconds after which training rests if nobody looks
SECONDS = 10.0  # for a request to arrive
POLL = 0.1
EXPLORED = 6  # rows of the loss that the explorer shows
THUMBNAIL = 60

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Refused(Exception):  # noqa: N818  an answer, not a failure
    """A request that is not answered, with a status and a sentence."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Session:
    """What a tab plays with."""

    settings: Settings
    problem: Problem
    trainer: Trainer
    frames: Frames
    table: Table | None
    seen: float


class Playground(ThreadingHTTPServer):
    """The server.

    Args:
        port: 0 for any that is free.
        table: a CSV file that sessions begin with.
        target: its column to predict.
        idle: seconds after which a session that nobody asks is dropped.

    Attributes:
        url: the address of the page.
        sessions: by name.

    Raises:
        OSError: if the port is taken.
        ValueError: if the table has no such target.

    >>> with Playground(port=0) as playground:
    ...     playground.url
    'http://127.0.0.1:...'
    """

    daemon_threads = False
    block_on_close = True
    allow_reuse_address = True

    def __init__(
        self, *, port: int = 0, table: Table | None = None, target: str | None = None, idle: float = IDLE
    ) -> None:
        self.table, self.idle = table, idle
        self.first = Settings()
        if table is not None:
            self.first = Settings(data="csv", points=1000, columns=table.usual(target))
        self.key, self.token = secrets.token_urlsafe(12), secrets.token_urlsafe(24)
        self.sessions: dict[str, Session] = {}
        self.lock = threading.Lock()
        self.ended, self.ending = threading.Event(), False
        self.sockets: set[Any] = set()
        super().__init__((HOST, port), Handler)
        self.timeout = POLL
        number = self.server_address[1]
        self.hosts = {f"{HOST}:{number}", f"localhost:{number}"}
        self.url = f"http://{HOST}:{number}/{self.key}/"

    def serve_until_ended(self) -> None:
        """Answer until the page asks to end, or `end` is called; idle sessions are dropped."""
        while not self.ended.is_set():
            self.handle_request()
            self.drop_idle()

    def end(self) -> None:
        """Let `serve_until_ended` return."""
        self.ended.set()

    def server_close(self) -> None:
        """Free the port, and end all sessions and requests."""
        self.ended.set()
        socket.socket.close(self.socket)
        for session in self.taken(lambda _: True):
            session.trainer.close()
        with self.lock:
            waiting = list(self.sockets)
        for connection in waiting:  # a browser opens some ahead of time and sends nothing
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # what is being answered goes out
        super().server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread."""
        with self.lock:
            self.sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self.lock:
            self.sockets.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about a browser that went away."""

    # sessions

    def taken(self, chosen: Callable[[Session], bool]) -> list[Session]:
        """Take sessions out."""
        with self.lock:
            names = [name for name, session in self.sessions.items() if chosen(session)]
            return [self.sessions.pop(name) for name in names]

    def drop_idle(self) -> None:
        """End sessions that nobody has asked for long."""
        limit = time.monotonic() - self.idle
        for session in self.taken(lambda s: s.seen < limit):
            session.trainer.close()

    def session(self, name: Any) -> Session:
        """Return a session.

        Raises:
            Refused: if there is none of that name.
        """
        with self.lock:
            found = self.sessions.get(name) if isinstance(name, str) else None
            if found is None:
                raise Refused(HTTPStatus.GONE, "This session has ended, since nobody used it for long: begin anew.")
            found.seen = time.monotonic()
            return found

    # what the page asks for

    def start(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Begin a run: in a new session, or in that of the tab."""
        name = asked.get("session")
        settings = Settings.of(asked.get("settings", {})) if "settings" in asked else self.first
        with self.lock:
            old = self.sessions.get(name) if isinstance(name, str) else None
            if old is None and len(self.sessions) >= MOST_SESSIONS:
                raise Refused(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    f"There are {MOST_SESSIONS} sessions already: close some of the playground's tabs.",
                )
        return self.begin(name if old is not None else None, settings, self.table if old is None else old.table)

    def begin(self, name: Any, settings: Settings, table: Table | None) -> dict[str, Any]:
        """Begin a run."""
        found = problem(settings, table)
        trainer = Trainer(settings, found)
        trainer.unwatched = UNWATCHED
        session = Session(settings, found, trainer, Frames(trainer), table, time.monotonic())
        with self.lock:
            if self.ended.is_set():
                trainer.close()
                raise Refused(HTTPStatus.GONE, "The playground has ended.")
            name = name or secrets.token_urlsafe(12)
            old = self.sessions.get(name)
            self.sessions[name] = session
        if old is not None:
            trainer.speed = old.trainer.speed
            old.trainer.close()
        return {
            "session": name,
            "setup": setup(settings, found),
            "table": described(table),
            "frame": session.frames.frame(),
        }

    def act(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Play, pause, take a step or an epoch, change the speed or the learning rate."""
        session = self.session(asked.get("session"))
        trainer, action = session.trainer, asked.get("action")
        if action == "play":
            trainer.run()
        elif action == "pause":
            trainer.pause()
        elif action in ("step", "epoch"):
            trainer.run(steps=1) if action == "step" else trainer.run(epochs=1)
            trainer.wait()
        elif action == "speed":
            speed = asked.get("value")
            if speed is not None and (type(speed) not in (int, float) or not 0.01 <= speed <= 1e6):
                raise ValueError(f"speed wanted steps in a second, from 0.01 to 1,000,000, got {speed!r:.60}.")
            trainer.set_speed(math.inf if speed is None else float(speed))
        elif action == "rate":
            trainer.set_rate(Settings.of({"learning_rate": asked.get("value")}).learning_rate)
        else:
            raise ValueError(f"there is no action {action!r:.60}: wanted play, pause, step, epoch, speed or rate.")
        return self.frame(asked)

    def frame(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the network as it is now."""
        session = self.session(asked.get("session"))
        generation, have = asked.get("generation", -1), asked.get("have", 0)
        if type(generation) is not int or type(have) is not int or have < 0:
            raise ValueError("a frame wanted whole numbers for generation and have.")
        return {"frame": session.frames.frame(generation=generation, have=have)}

    def load(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Take a CSV file, and begin a run with it."""
        session = self.session(asked.get("session"))
        name, text = asked.get("name"), asked.get("text")
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError("a file wanted a name and a text.")
        table = Table.of_text(name[:120] or "your file", text)
        settings = Settings.of({**session.settings.to_dict(), "data": "csv", "columns": table.usual(), "loss": "auto"})
        return self.begin(asked["session"], settings, table)

    def program(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the Python program of the run so far."""
        session = self.session(asked.get("session"))
        trainer = session.trainer

        def made() -> dict[str, Any]:
            text = code(
                session.settings,
                session.problem,
                steps=trainer.step_count,
                epoch_steps=trainer.epoch_steps,
                rates=trainer.rates,
                failed=bool(trainer.message),
                table=session.table,
            )
            return {"code": text, "step": trainer.step_count}

        return trainer.call(made)

    def leave(self, asked: dict[str, Any]) -> dict[str, Any]:
        """End the session of a tab that is closed."""
        session = self.session(asked.get("session"))
        for gone in self.taken(lambda s: s is session):
            gone.trainer.close()
        return {}

    def close(self, asked: dict[str, Any]) -> dict[str, Any]:
        """End the playground, as soon as this is answered."""
        self.ending = True
        return {}

    def explorer(self, name: str) -> str:
        """Return the explorer of the loss of a few rows, with the weights of this moment."""
        session = self.session(name)
        trainer = session.trainer

        def made() -> str:
            rows = min(EXPLORED, len(session.problem.train[0]))
            steps = trainer.step_count
            title = f"loss of {rows} rows after {steps} step{'s' * (steps != 1)}"
            return to_html(trainer.loss_of(rows), title=title)

        return trainer.call(made)

    def page(self) -> str:
        """Return the page."""
        about = {
            "token": self.token,
            "version": __version__,
            "data": [{"name": name, "label": label, "points": thumbnail(name)} for name, label in DATA.items()],
            "choices": {"activation": ACTIVATIONS, "init": INITIAL, "optimizer": list(OPTIMIZERS)},
            "limits": LIMITS,
            "first": self.first.to_dict(),
        }
        # in a script element no "<" may begin an end tag or a comment
        text = json.dumps(about).replace("<", "\\u003c")
        return Template((PAGE / "page.html").read_text(encoding="utf-8")).substitute(about=text)


def described(table: Table | None) -> dict[str, Any] | None:
    """Return what the page has to know of a table."""
    if table is None:
        return None
    return {
        "name": table.name, "features": table.features(), "targets": table.targets(), "usual": list(table.usual())
    }  # fmt: skip


@functools.cache
def thumbnail(name: str) -> list[list[float]]:
    """Return some points of a data set between 0 and 1, each with its class, or with its number from 0 to 1."""
    if name == "csv":
        return []
    found = problem(Settings(data=name, points=2 * THUMBNAIL, noise=0.05, seed=1, features=("x1",)))
    z, y = found.z[0], found.y[0].astype(float)
    if found.kind == "numbers":
        z = [[*row, v] for row, v in zip(z.tolist(), y.tolist(), strict=True)]  # type: ignore[assignment]
        y = y * 0
    columns = list(zip(*[list(map(float, row)) for row in z], strict=True))
    low, high = [min(c) for c in columns], [max(c) for c in columns]
    return [
        [*(round((v - a) / (b - a), 3) for v, a, b in zip(row, low, high, strict=True)), float(label)]
        for row, label in zip(z, y, strict=True)
    ]


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Playground  # type: ignore[assignment]
    server_version, sys_version = "autograd-nn", ""
    timeout = SECONDS

    def do_GET(self) -> None:
        """Answer with the page, a file of it, or the explorer."""
        self.answered(self.get)

    def do_POST(self) -> None:
        """Answer what the page asks for."""
        self.answered(self.post)
        if self.server.ending:
            self.server.end()

    def answered(self, answer: Callable[[], tuple[str, bytes, str]]) -> None:
        """Send an answer, or say why there is none."""
        try:
            self.check_host()
            kind, body, policy = answer()
            status = HTTPStatus.OK
        except Refused as error:
            status, kind, body, policy = error.status, "application/json", failure(error), POLICY
        except (ValueError, TypeError, OSError, RuntimeError, NotImplementedError) as error:
            waited = isinstance(error, TimeoutError)
            status = HTTPStatus.SERVICE_UNAVAILABLE if waited else HTTPStatus.BAD_REQUEST
            kind, body, policy = "application/json", failure("This takes too long." if waited else error), POLICY
        except MemoryError:
            status, kind, body, policy = (
                HTTPStatus.SERVICE_UNAVAILABLE, "application/json", failure("There is not enough memory."), POLICY
            )  # fmt: skip
        with contextlib.suppress(OSError):  # nobody may be there any more
            self.send_response(status)
            for name, value in {
                "Content-Type": f"{kind}; charset=utf-8",
                "Content-Length": str(len(body)),
                "Content-Security-Policy": policy,
                "Cache-Control": "no-store",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Resource-Policy": "same-origin",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def check_host(self) -> None:
        """Refuse other names for this computer, behind which another site may hide."""
        if self.headers.get("Host", "").lower() not in self.server.hosts:
            raise Refused(HTTPStatus.FORBIDDEN, "The playground answers to 127.0.0.1 only.")

    def place(self) -> tuple[str, dict[str, list[str]]]:
        """Return what stands behind the key in the address, and the query."""
        parts = urlsplit(self.path)
        key, slash, rest = parts.path.removeprefix("/").partition("/")
        if not slash or not same(key, self.server.key):
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "Open the address that `autograd-nn playground` has printed: it holds a key.",
            )
        return rest, parse_qs(parts.query)

    def get(self) -> tuple[str, bytes, str]:
        name, query = self.place()
        if name == "":
            return "text/html", self.server.page().encode(), POLICY
        if name == "explorer":
            html = self.server.explorer(query.get("session", [""])[0])
            return "text/html", html.encode(), "frame-ancestors 'none'"  # the page brings its own policy
        path = PAGE / name
        if path.suffix not in KINDS or path.name != name or not path.is_file():
            raise Refused(HTTPStatus.NOT_FOUND, "There is no such page.")
        return KINDS[path.suffix], path.read_bytes(), POLICY

    def post(self) -> tuple[str, bytes, str]:
        name, _ = self.place()
        headers, server = self.headers, self.server
        origin = headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in server.hosts}:
            raise Refused(HTTPStatus.FORBIDDEN, "Only the playground's own page may ask for this.")
        if headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            raise Refused(HTTPStatus.FORBIDDEN, "Only the playground's own page may ask for this.")
        if not same(headers.get("X-Token", ""), server.token):
            raise Refused(HTTPStatus.FORBIDDEN, "This page is of another start of the playground: load it again.")
        if headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wanted JSON.")
        asked = self.body()
        ask = {
            "start": server.start, "act": server.act, "frame": server.frame, "load": server.load,
            "program": server.program, "leave": server.leave, "close": server.close,
        }.get(name)  # fmt: skip
        if ask is None:
            raise Refused(HTTPStatus.NOT_FOUND, "There is no such question.")
        return "application/json", json.dumps(ask(asked), allow_nan=False).encode(), POLICY

    def body(self) -> dict[str, Any]:
        """Return what was sent."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "wanted the length of what is sent.")
        if int(length) > MOST_BYTES:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"This is too large for the playground, which takes up to {MOST_BYTES / 1e6:g} MB: "
                "start it with --data file.csv, or take some of the rows.",
            )
        asked = json.loads(self.rfile.read(int(length)))
        if not isinstance(asked, dict):
            raise TypeError("wanted a JSON object.")
        return asked

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


def same(came: str, wanted: str) -> bool:
    """Compare secrets in a time that tells nothing."""
    return hmac.compare_digest(came.encode("utf-8", "replace"), wanted.encode())


def failure(error: Any) -> bytes:
    return json.dumps({"error": str(error)[:1000]}).encode()


def serve(
    *,
    port: int | None = None,
    browser: bool = True,
    data: str | Path | None = None,
    target: str | None = None,
    say: Callable[[str], Any] = print,
) -> None:
    """Serve the playground until Ctrl-C, or until its page ends it.

    Args:
        port: by default 8642, or any that is free if that one is taken.
        browser: open the page?
        data: CSV file with two columns of numbers and a target.
        target: its column to predict; by default the last one that can be.
        say: is given the lines that tell the address.

    Raises:
        OSError, ValueError: if the port is taken, or the file cannot be used.
    """
    if target is not None and data is None:
        raise ValueError("a target wanted the data that it is in: --data file.csv --target column.")
    table = None if data is None else Table.of_file(data)
    try:
        playground = Playground(port=PORT if port is None else port, table=table, target=target)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        if port is not None:
            raise OSError(f"port {port} is taken: leave --port out, or name another one.") from None
        playground = Playground(port=0, table=table, target=target)
    with playground, contextlib.suppress(KeyboardInterrupt):
        say(f"playground: {playground.url}")
        say("on this computer only; Ctrl-C ends it")
        if browser:
            threading.Thread(target=webbrowser.open, args=(playground.url,), daemon=True).start()
        playground.serve_until_ended()
