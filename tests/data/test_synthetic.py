import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_nn.data import synthetic
from autograd_nn.data.synthetic import POSITIONS, blobs, circles, moons, sines, spirals, x_and_o, xor

SETS = (moons, circles, spirals, xor, blobs, sines, x_and_o)


def rows(x, y):
    return np.array(sorted(map(tuple, np.round(np.column_stack([x, y]), 12))))


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_moons_and_circles_are_those_of_scikit_learn(n):
    datasets = pytest.importorskip("sklearn.datasets")
    np.testing.assert_allclose(rows(*moons(n, noise=0)), rows(*datasets.make_moons(n)), atol=1e-11)
    wanted = datasets.make_circles(n, factor=0.3)
    np.testing.assert_allclose(rows(*circles(n, noise=0, factor=0.3)), rows(*wanted), atol=1e-11)


@pytest.mark.parametrize("f", SETS)
@given(n=st.integers(1, 40), noise=st.sampled_from([0.0, 0.3]), seed=st.integers(0, 99))
def test_each_set_has_n_rows_and_a_seed_fixes_it(f, n, noise, seed):
    x, y = f(n, noise=noise, rng=seed)
    again, labels = f(n, noise=noise, rng=np.random.default_rng(seed))
    assert len(x) == len(y) == n
    assert x.dtype == np.float64 and np.isfinite(x).all()
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(y, labels)
    assert y.dtype == np.float64 if f is sines else y.dtype.kind == "i"


@pytest.mark.parametrize("f", SETS)
def test_noise_has_the_deviation_that_is_asked_for(f):
    n, noise = 4000, 0.2
    fixed = {"centers": [[0, 0], [5, 5]]} if f is blobs else {}
    clean, noisy = f(n, noise=0, rng=1, **fixed), f(n, noise=noise, rng=1, **fixed)
    deviation = (noisy[0] - clean[0]).std()
    assert abs(deviation - noise) < 4 * noise / np.sqrt(2 * n)  # four standard errors


@pytest.mark.parametrize("f", SETS)
def test_sizes_and_noise_below_zero_are_refused(f):
    with pytest.raises(ValueError, match="1 or more, got 0"):
        f(0)
    with pytest.raises(ValueError, match="noise of 0 or more, got -1"):
        f(3, noise=-1)


def test_xor_is_its_truth_table_again_and_again():
    x, y = xor(10)
    np.testing.assert_array_equal(y, (x[:, 0] + x[:, 1]) % 2)
    assert x[:4].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]] == x[4:8].tolist()


def test_spirals_have_arms_of_equal_size_within_the_unit_disc():
    x, y = spirals(300, noise=0, classes=4)
    assert np.bincount(y).tolist() == [75] * 4
    assert np.hypot(*x.T).max() == pytest.approx(1)
    # A quarter turn takes an arm into the next.
    turned = np.stack([-x[:, 1], x[:, 0]], 1)
    np.testing.assert_allclose(rows(turned, (y + 1) % 4), rows(x, y), atol=1e-11)


def test_blobs_lie_around_their_centers():
    centers = np.array([[0.0, 0, 0], [10, 10, 10]])
    x, y = blobs(2000, noise=0.5, centers=centers, rng=0)
    for label in (0, 1):
        assert np.abs(x[y == label].mean(0) - centers[label]).max() < 4 * 0.5 / np.sqrt(1000)
    assert blobs(10, classes=4, features=3, rng=0)[0].shape == (10, 3)
    with pytest.raises(ValueError, match=r"\(classes, features\), got \(2,\)"):
        blobs(10, centers=[1, 2])


def test_circles_refuse_a_factor_beyond_one():
    with pytest.raises(ValueError, match="got 1.5"):
        circles(10, factor=1.5)


def test_sines_are_windows_of_one_series_in_time_order():
    x, y = sines(50, window=5, step=0.2, frequencies=(1.0, 3.0))
    time = 0.2 * np.arange(55)
    series = np.sin(time) + np.sin(3 * time)
    np.testing.assert_allclose(x[:, :, 0], [series[i : i + 5] for i in range(50)])
    np.testing.assert_allclose(y[:, 0], series[5:])


def test_x_and_o_stand_where_they_are_wanted():
    x, y = x_and_o(positions=POSITIONS)
    assert x.shape == (18, 1, 6, 6) and len(POSITIONS) == 9
    assert y.tolist() == [0, 1] * 9
    for number, (row, column) in enumerate(POSITIONS):
        for label in (0, 1):
            image = x[2 * number + label, 0]
            drawn = image[row : row + 4, column : column + 4]
            assert drawn.sum() == image.sum() == 8  # nothing outside
    center = x_and_o()[0][:, 0]
    np.testing.assert_array_equal(center, center[:, ::-1])  # symmetric
    np.testing.assert_array_equal(center, center.transpose(0, 2, 1))


def test_x_and_o_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="size 4 at \\(3, 0\\)"):
        x_and_o(positions=[(3, 0)])
    with pytest.raises(ValueError, match="from 3 to 6, got 7"):
        x_and_o(size=7)
    with pytest.raises(ValueError, match="one position"):
        x_and_o(positions=[])


def test_all_sets_are_public():
    assert {f.__name__ for f in SETS} | {"POSITIONS"} == set(synthetic.__all__)
