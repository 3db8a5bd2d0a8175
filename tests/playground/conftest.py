"""A playground that answers, somebody who asks it without a browser, and one who looks at its page."""

from __future__ import annotations

import http.client
import json
import threading
from urllib.parse import urlsplit

import pytest

from autograd_nn.playground.server import Playground


class Client:
    """Asks as the page does; `ask(…, Host=…)` changes a header, None leaves it out."""

    def __init__(self, playground: Playground) -> None:
        self.playground = playground
        self.root = urlsplit(playground.url)

    def request(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.root.hostname, self.root.port, timeout=60)
        given = {"Host": self.root.netloc, "X-Token": self.playground.token, "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            given.setdefault("Content-Length", str(len(body)))
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text, answer.headers

    def ask(self, name, asked=None, **headers):
        status, text, _ = self.request("POST", self.root.path + name, json.dumps(asked or {}).encode(), **headers)
        return status, json.loads(text)

    def good(self, question, **asked):
        status, answer = self.ask(question, asked)
        assert status == 200, answer
        return answer

    def begin(self, **settings):
        answer = self.good("start", settings=settings)
        return answer["session"], answer


@pytest.fixture
def served():
    """Serve playgrounds; afterwards nothing of them is left."""
    before = set(threading.enumerate())
    running = []

    def served(**options):
        playground = Playground(**options)
        thread = threading.Thread(target=playground.serve_until_ended)
        thread.start()
        running.append((playground, thread))
        return playground

    yield served
    for playground, thread in running:
        playground.end()
        thread.join(10)
        playground.server_close()
    assert set(threading.enumerate()) <= before


@pytest.fixture
def playground(served):
    return served()


@pytest.fixture
def client_of():
    return Client


@pytest.fixture
def client(playground):
    return Client(playground)


@pytest.fixture
def visit(browser, playground):
    """Open the page. No error and no request to anywhere else may come of it."""
    contexts, faults = [], []

    def visit(server=playground, *, width=1200, height=860, scheme="light", motion="reduce", hash="", **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion=motion, **options
        )
        contexts.append(context)
        context.set_default_timeout(40_000)
        own = server.url.rpartition("/")[0]

        def watch(page):
            page.on("console", lambda m: None if m.type == "log" or expected(m) else faults.append(m.text))
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("request", lambda r: None if r.url.startswith((own, "data:")) else faults.append(r.url))

        context.on("page", watch)
        page = context.new_page()
        page.goto(server.url + hash)
        page.wait_for_selector("html[data-ready='1']", state="attached")
        return page

    def expected(message):  # Chromium tells of every answer that is a refusal; the page says it in words
        return "the server responded with a status of 4" in message.text or "ERR_CONNECTION_REFUSED" in message.text

    yield visit
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def flowers():
    """A CSV file of two classes that a network can tell apart, with names that nobody should write."""
    import numpy as np

    rng = np.random.default_rng(3)
    lines = ['length,"wid""th <b>",kind']
    for k, name in enumerate(("d'or", '"""\\n')):
        for u, v in rng.normal(3 * k, 1, (40, 2)):
            quoted = name.replace('"', '""')
            lines.append(f'{u:.3f},{v:.3f},"{quoted}"')
    return "\n".join(lines) + "\n"
