"""Step time on paper: closed forms, limits, and a page that says what the script says."""

from __future__ import annotations

import pytest

from benchmarks import scaling
from benchmarks.scaling import GPU, MODELS, Machine, Model, all_reduce, duration, efficiency, last_useful, paper, step

UNIT = Machine(flops=1.0, bandwidth=1.0, latency=0.0, overhead=0.0)


def test_a_ring_sends_twice_what_is_not_its_own():
    assert all_reduce(8.0, 1, UNIT) == 0
    assert all_reduce(8.0, 2, UNIT) == 8.0
    assert all_reduce(8.0, 8, UNIT) == 14.0
    assert all_reduce(8.0, 10_000, UNIT) == pytest.approx(16.0, rel=1e-3)


def test_a_tree_is_faster_where_hops_cost_more_than_bytes():
    slow = UNIT._replace(latency=1.0)
    assert all_reduce(0.0, 1024, slow) == 20.0
    assert all_reduce(1e9, 4, slow) == pytest.approx(1.5e9)


def test_without_communication_n_devices_are_n_times_as_fast_as_long_as_there_are_rows():
    model = Model("", 0.0, 1.0, 64)
    assert [efficiency(model, n, UNIT) for n in (1, 8, 64, 128)] == [1, 1, 1, 0.5]
    assert last_useful(model, UNIT) == 128


def test_overlap_hides_at_most_two_thirds_of_the_compute():
    model = Model("", 8.0, 3.0, 2, bytes=1)  # a row takes 3 s, a sum over two devices 8 s
    assert step(model, 2, UNIT) == 3 + 8
    assert step(model, 2, UNIT, overlap=1.0) == 3 + 8 - 2


def test_larger_networks_stop_later():
    found = [last_useful(model, GPU) for model in MODELS]
    assert found == sorted(found) and found[0] == 1 and found[-1] >= 512


def test_parts_of_a_step_add_up_on_one_device():
    one = {"nothing": {"step": 1.0, "fixed": 1.0, "all-reduce": 0.5}}
    one["net"] = {"step": 10.0, "fixed": 3.0, "all-reduce": 0.5, "product": 1.0}
    many = {"nothing": {"step": 2.0, "fixed": 2.0, "all-reduce": 1.0}}
    many["net"] = {"step": 9.0, "fixed": 5.0, "all-reduce": 4.0, "product": 2.0}
    runs = {1: one, 4: many}
    assert sum(scaling.parts_of(runs, "net", 1).values()) == 10.0
    assert scaling.speedup(runs, 4, "net") == 2.0
    assert scaling.parts_of(runs, "net", 4) == {"rows": 3.5, "update": 4.0, "all-reduce": 3.0, "nothing": 2.0}


@pytest.mark.parametrize(
    ("seconds", "text"), [(523.4, "523 s"), (0.0123, "12.3 ms"), (2e-5, "20 µs"), (3e-7, "0.3 µs")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_page_says_what_the_script_says():
    page = scaling.PAGE.read_text(encoding="utf-8")
    assert paper() in page
    assert "Measured over the sum" in page
