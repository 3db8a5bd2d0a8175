import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn.data.batch import Batches, GeneratorSource, as_source, check_finite


@given(
    rows=st.integers(1, 60),
    size=st.integers(1, 70),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_every_row_comes_once_per_epoch(rows, size, shuffle, seed):
    batches = Batches(np.arange(rows), batch_size=size, shuffle=shuffle, rng=seed)
    for _ in range(2):
        parts = [part for (part,) in batches]
        assert sorted(np.concatenate(parts)) == list(range(rows))
        assert len(parts) == len(batches) == -(-rows // size)
        assert all(len(part) == min(size, rows) for part in parts[:-1])


@given(rows=st.integers(1, 60), size=st.integers(1, 60), seed=st.integers(0, 99))
def test_drop_last_leaves_batches_of_equal_size(rows, size, seed):
    if size > rows:
        with pytest.raises(ValueError, match="leaves no batch"):
            Batches(np.arange(rows), batch_size=size, drop_last=True)
        return
    parts = [part for (part,) in Batches(np.arange(rows), batch_size=size, rng=seed, drop_last=True)]
    assert {len(part) for part in parts} == {size}
    assert len(np.unique(np.concatenate(parts))) == rows // size * size


def test_in_order_without_shuffle_and_all_rows_without_a_size():
    assert [b.tolist() for (b,) in Batches(np.arange(5), batch_size=2, shuffle=False)] == [[0, 1], [2, 3], [4]]
    ((everything,),) = Batches(np.arange(5), batch_size=None, shuffle=False)
    assert everything.tolist() == [0, 1, 2, 3, 4]


def test_a_seed_fixes_the_order_and_each_epoch_has_its_own():
    def epochs(rng):
        batches = Batches(np.arange(50), batch_size=50, rng=rng)
        return [next(iter(batches))[0].tolist() for _ in range(2)]

    assert epochs(1) == epochs(1) == epochs(np.random.default_rng(1))
    assert epochs(1) != epochs(2)
    first, second = epochs(1)
    assert first != second


def test_rows_of_all_arrays_stay_together_also_in_nested_dicts():
    n = np.arange(10)
    data = {"image": n * 1.0, "more": {"text": n[:, None] * 2}}
    for inputs, labels in Batches(data, n, batch_size=3, rng=0):
        np.testing.assert_array_equal(inputs["image"], labels)
        np.testing.assert_array_equal(inputs["more"]["text"], 2 * labels[:, None])


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_are_copies_and_keep_the_dtype(shuffle):
    x = np.ones((4, 2), dtype=np.float32)
    for (batch,) in Batches(x, batch_size=2, shuffle=shuffle):
        assert batch.dtype == np.float32
        batch[:] = 0
    assert (x == 1).all()


BIT_GENERATORS = (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64DXSM)


@pytest.mark.parametrize("kind", BIT_GENERATORS)
@pytest.mark.parametrize("stop", range(9))
def test_a_saved_state_goes_on_bit_for_bit(kind, stop):
    """Also where somebody else draws from the generator between the batches."""

    def make(seed):
        rng = np.random.Generator(kind(seed))
        return Batches(np.arange(10), batch_size=3, rng=rng), rng

    def run(batches, rng, count):
        seen = []
        while len(seen) < count:
            for (batch,) in batches:
                seen.append((batch.tolist(), rng.random()))
                if len(seen) == count:
                    break
        return seen

    whole = run(*make(5), 12)
    interrupted, rng = make(5)
    before = run(interrupted, rng, stop) if stop else []
    state = json.loads(json.dumps(interrupted.state_dict()))
    resumed, other = make(99)
    resumed.load_state_dict(state)
    assert before + run(resumed, other, 12 - stop) == whole
    assert resumed.epoch == 3 and resumed.position == 4


def test_a_state_saved_at_the_end_of_an_epoch_begins_the_next():
    batches = Batches(np.arange(4), batch_size=2, rng=0)
    list(batches)
    resumed = Batches(np.arange(4), batch_size=2, rng=1)
    resumed.load_state_dict(batches.state_dict())
    assert [b.tolist() for (b,) in resumed] == [b.tolist() for (b,) in batches]
    assert (resumed.epoch, resumed.position) == (2, 2)


def test_loading_changes_nothing_if_it_does_not_fit():
    batches = Batches(np.arange(10), batch_size=3, rng=0)
    before = batches.state_dict()
    for other, said in [
        (Batches(np.arange(11), batch_size=3), "rows=11"),
        (Batches(np.arange(10), batch_size=4), "batch_size=4"),
        (Batches(np.arange(10), batch_size=3, rng=np.random.Generator(np.random.MT19937(0))), "MT19937"),
    ]:
        with pytest.raises(ValueError, match=said):
            batches.load_state_dict(other.state_dict())
    with pytest.raises(ValueError, match="wanted a state"):
        batches.load_state_dict({"epoch": 1})
    assert batches.state_dict() == before


def test_an_early_exit_begins_a_new_epoch():
    batches = Batches(np.arange(6), batch_size=2, rng=0)
    for _ in batches:
        break
    assert (batches.epoch, batches.position) == (1, 1)
    assert sorted(np.concatenate([b for (b,) in batches])) == list(range(6))
    assert batches.epoch == 2
    assert repr(batches) == "Batches(6 rows shuffled, 3 batches of 2, epoch 2)"


@pytest.mark.parametrize(
    ("data", "options", "error", "said"),
    [
        ((), {}, ValueError, "got none"),
        ((np.zeros((0, 2)),), {}, ValueError, "at least one row"),
        (({},), {}, ValueError, "at least one row"),
        ((np.zeros(3), np.zeros(4)), {}, ValueError, "argument 1 has 3, argument 2 has 4"),
        (({"a": np.zeros(3)}, np.zeros(4)), {}, ValueError, r"argument 1\['a'\] has 3"),
        ((np.zeros(3),), {"batch_size": 0}, ValueError, "1 or more, got 0"),
        ((np.zeros(3),), {"batch_size": 2.5}, TypeError, "whole number, got 2.5"),
        ((np.zeros(3),), {"batch_size": True}, TypeError, "whole number"),
        ((np.array(["a"]),), {}, TypeError, "data.clean"),
        (((np.zeros(3), np.zeros(3)),), {}, TypeError, r"Batches\(\*arrays\)"),
        ((3.0,), {}, ValueError, "the number 3.0"),
    ],
)
def test_bad_data_is_refused(data, options, error, said):
    with pytest.raises(error, match=said):
        Batches(*data, **options)


@pytest.mark.parametrize("shuffle", [True, False])
def test_of_a_memory_mapped_array_only_the_batch_is_read(tmp_path, shuffle):
    rows, width = 20_000, 1_000  # 80 MB on disk (a sparse file)
    x = np.memmap(tmp_path / "x", dtype=np.float32, mode="w+", shape=(rows, width))
    x[:, 0] = np.arange(rows)
    x.flush()
    tracemalloc.start()
    seen = np.zeros(rows, dtype=int)
    for (batch,) in Batches(x, batch_size=50, shuffle=shuffle, rng=0):
        assert type(batch) is np.ndarray
        seen[batch[:, 0].astype(int)] += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (seen == 1).all()
    assert peak < 2_000_000  # of the 80 MB; a batch is 200 kB, the order 160 kB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from /proc")
def test_the_process_does_not_grow_with_the_file(tmp_path):
    """Anonymous memory: mapped pages of the file are the operating system's to drop."""
    code = """
import sys, numpy as np
from autograd_nn.data import Batches, check_finite
def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
x = np.memmap(sys.argv[1], dtype=np.float32, mode="r", shape=(100_000, 1_000))
before = anonymous()
check_finite(x[:5_000])
for batch, in Batches(x, batch_size=500, rng=0):
    pass
print(anonymous() - before)
"""
    path = tmp_path / "x"
    with open(path, "wb") as file:
        os.truncate(file.fileno(), 400_000_000)
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 60_000  # kB, of 400 MB


def test_generator_source_starts_afresh_in_each_epoch():
    source = GeneratorSource(lambda: iter([([1.0], [0]), ([2.0], [1])]), length=2)
    for epoch in (1, 2):
        assert [(x.tolist(), y.tolist()) for x, y in source] == [([1.0], [0]), ([2.0], [1])]
        assert (source.epoch, source.position) == (epoch, 2)
    assert len(source) == 2


@pytest.mark.parametrize("stop", range(8))
def test_generator_source_goes_on_bit_for_bit(stop):
    def noise(rng):
        for _ in range(3):
            yield rng.normal(size=2), rng.integers(10, size=2)

    def run(source, count):
        seen = []
        while len(seen) < count:
            for batch in source:
                seen.append([part.tolist() for part in batch])
                if len(seen) == count:
                    break
        return seen

    whole = run(GeneratorSource(noise, rng=3), 10)
    interrupted = GeneratorSource(noise, rng=3)
    before = run(interrupted, stop) if stop else []
    state = json.loads(json.dumps(interrupted.state_dict()))
    resumed = GeneratorSource(noise, rng=77)
    resumed.load_state_dict(state)
    assert before + run(resumed, 10 - stop) == whole


def test_generator_source_takes_a_list_and_single_arrays():
    source = GeneratorSource([np.zeros(2), {"a": [1.0]}])
    first, second = source
    assert first[0].shape == (2,) and second[0]["a"].tolist() == [1.0]
    assert len(source) == 2
    assert "epoch 1" in repr(source)


def test_generator_source_says_what_is_wrong():
    with pytest.raises(TypeError, match="only once: pass the function"):
        GeneratorSource(x for x in [1])
    with pytest.raises(TypeError, match="got int"):
        GeneratorSource(3)
    with pytest.raises(TypeError, match="use yield"):
        list(GeneratorSource(lambda: None))
    with pytest.raises(TypeError, match="not known"):
        len(GeneratorSource(list))
    used = iter([np.zeros(1)])
    source = GeneratorSource(lambda: used)
    list(source)
    with pytest.raises(ValueError, match="epoch 2 has no batches"):
        list(source)


def test_generator_source_refuses_a_state_that_does_not_fit():
    seeded, plain = GeneratorSource(lambda rng: [rng.random(1)] * 2, rng=0), GeneratorSource(lambda: [np.zeros(1)])
    with pytest.raises(ValueError, match="or neither"):
        plain.load_state_dict(seeded.state_dict())
    iterator = iter(seeded)
    next(iterator), next(iterator)
    shorter = GeneratorSource(lambda rng: [rng.random(1)], rng=0)
    shorter.load_state_dict(seeded.state_dict())
    with pytest.raises(ValueError, match="given 2 batches, the function now makes only 1"):
        list(shorter)


def test_as_source():
    batches = as_source((np.zeros((4, 2)), np.zeros(4)), batch_size=3, shuffle=False)
    assert isinstance(batches, Batches) and not batches.shuffle and len(batches) == 2
    assert as_source(batches) is batches
    assert isinstance(as_source([(np.zeros(1), np.zeros(1))]), GeneratorSource)
    with pytest.raises(TypeError, match=r"write \(x, y\)"):
        as_source(np.zeros(3))


def test_check_finite_names_the_place():
    x = np.zeros((3000, 2, 300))
    x[2500, 1, 7] = np.inf
    x[2999, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"argument 2 .* inf in row 2500, at \(1, 7\) \(2 of 1800000 cells"):
        check_finite(np.arange(3), x)
    with pytest.raises(ValueError, match=r"argument 1\['a'\] .* nan in row 0 \(1 of 1 cells is"):
        check_finite({"a": np.array([np.nan])})
    with pytest.raises(ValueError, match="row 0, column 1"):
        check_finite([[0.0, np.nan]])
    check_finite(np.zeros((0, 3)), [1, 2], 3.0, np.array(["a"]))
