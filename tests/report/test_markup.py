"""Words and tables as HTML."""

from __future__ import annotations

from autograd_nn.report.markup import clipped, section, table, text


def test_cells_are_html_and_headings_are_texts():
    made = table(["a<b", "c"], [["<i>", "<b>bold</b>"]], "numbers")
    assert '<th scope="col">a&lt;b</th>' in made
    assert '<th scope="row">&lt;i&gt;</th><td><b>bold</b></td>' in made


def test_an_empty_section_is_left_out():
    assert section("Model", "") == ""
    assert section("Model & more", "x").startswith("<section><h2>Model &amp; more</h2>")


def test_words():
    assert text("<\x1b\u202e'\">") == "&lt;\\x1b\\u202e&#x27;&quot;&gt;"
    assert clipped("x" * 41) == "x" * 39 + "…"
    assert clipped("x" * 40) == "x" * 40
