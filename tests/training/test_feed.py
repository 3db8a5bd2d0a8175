"""From data to batches."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_nn.training.feed import Feed, call, checksum

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)


def test_rows_come_once_an_epoch():
    feed = Feed((X, Y), batch_size=4, rng=0)
    for _ in range(2):
        batches = list(feed)
        assert [b.rows for b in batches] == [4, 2] and sorted(np.concatenate([b.y for b in batches])) == list(range(6))
        for b in batches:
            assert np.array_equal(b.x, X[b.y]) and b.weight is None
    assert len(feed) == 2


def test_weights_come_with_their_rows():
    for b in Feed((X, Y, Y + 1.0), batch_size=4, rng=0):
        assert np.array_equal(b.weight, b.y + 1.0)


def test_the_length_of_a_function_is_not_known():
    assert len(Feed(lambda: [(X, Y)])) == 0 and len(Feed([(X, Y)])) == 1


def test_a_function_has_to_return_batches():
    with pytest.raises(TypeError, match="iterator over batches"):
        list(Feed(lambda: 3))


def test_how_models_are_called():
    def model(a, b=0):
        return a, b

    assert call(model, 1) == (1, 0) and call(model, (1, 2)) == (1, 2) and call(model, {"b": 1, "a": 2}) == (2, 1)


def test_fingerprints_differ_where_data_differ():
    feed = Feed(({"a": X, "b": Y}, Y))
    assert list(feed.fingerprint()) == ["x['a']", "x['b']", "y"]
    assert Feed([(X, Y)]).fingerprint() is None
    large = np.zeros((3_000_000,), np.float32)
    before = checksum(large)
    for place in (0, -1):
        changed = large.copy()
        changed[place] = 1
        assert checksum(changed) != before
    changed = large.copy()
    changed[1_500_000] = 1
    assert checksum(changed) == before != checksum(changed, whole=True) != checksum(large, whole=True)
    found = [Feed((x[:, None], x)).fingerprint(whole=whole) for whole in (False, True) for x in (large, changed)]
    assert found[0] == found[1] and found[2] != found[3]
    assert checksum(X) == checksum(X.copy(order="F"))


def test_memory_mapped_files_are_not_read_beforehand(tmp_path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", float, (6, 2))
    x[...] = np.nan
    assert not Feed((x, Y)).in_memory
    large = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", float, (400_000, 1))
    feed = Feed((large, np.zeros(400_000)))
    assert feed.fingerprint(whole=True) == feed.fingerprint()  # its ends
    with pytest.raises(ValueError, match="finite"):
        Feed((np.array(x), Y))
