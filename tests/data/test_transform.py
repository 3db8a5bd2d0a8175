import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd_nn import functions
from autograd_nn.data import one_hot
from autograd_nn.data.transform import Encoder, Imputer, Standardizer

MATRICES = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(-1e6, 1e6))


def test_one_hot_is_that_of_functions():
    assert one_hot is functions.one_hot


@given(MATRICES)
def test_standardized_columns_have_mean_0_and_deviation_1(x):
    standardizer = Standardizer().fit(x)
    z = standardizer.transform(x)
    size = np.abs(x).max(0)
    for column in range(x.shape[1]):
        if np.ptp(x[:, column]) == 0:
            assert (z[:, column] == 0).all()
        elif x[:, column].std() > 1e-6 * size[column]:  # otherwise rounding is what is measured
            assert abs(z[:, column].mean()) < 1e-8 and abs(z[:, column].std() - 1) < 1e-8
    back = standardizer.inverse_transform(z)
    np.testing.assert_allclose(back, x, rtol=1e-9, atol=1e-9 * (size.max() or 1))


def test_standardizer_equals_scikit_learn():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    rng = np.random.default_rng(0)
    train, test = rng.normal(3, 5, (50, 4)), rng.normal(size=(9, 4))
    wanted = preprocessing.StandardScaler().fit(train)
    ours = Standardizer().fit(train)
    np.testing.assert_allclose(ours.transform(test), wanted.transform(test), rtol=1e-12)
    np.testing.assert_allclose(ours.scale, wanted.scale_, rtol=1e-12)


@pytest.mark.parametrize("constant", [0.1, 1e300, -1e-300, 5e-324, 0.0, 1 / 3])
def test_constant_columns_become_zero(constant):
    x = np.full((77, 1), constant)
    standardizer = Standardizer().fit(x)
    assert standardizer.scale.tolist() == [1.0] and standardizer.mean.tolist() == [constant]
    assert (standardizer.transform(x) == 0).all()


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_huge_and_tiny_numbers_neither_overflow_nor_vanish(scale):
    x = np.array([[-1.0], [1.0]]) * scale
    np.testing.assert_allclose(Standardizer().fit(x).transform(x), [[-1], [1]])


def test_float32_stays_and_integers_become_float():
    x = np.arange(6).reshape(3, 2)
    assert Standardizer().fit(x).transform(x).dtype == np.float64
    assert Standardizer().fit(x).transform(x.astype(np.float32)).dtype == np.float32


def test_standardizer_refuses_other_columns_and_says_which_it_knows():
    standardizer = Standardizer().fit(np.eye(2), columns=["age", "income"])
    assert repr(standardizer) == "Standardizer(2 columns)" and repr(Standardizer()) == "Standardizer()"
    with pytest.raises(ValueError, match=r"age, income; got \(1, 3\)"):
        standardizer.transform(np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"x\[:, None\]"):
        standardizer.transform(np.zeros(2))
    with pytest.raises(TypeError, match="data.clean"):
        Standardizer().fit([["a"]])
    with pytest.raises(ValueError, match="nan in row 0, column 'b'"):
        Standardizer().fit([[1.0, np.nan]], columns=["a", "b"])
    with pytest.raises(ValueError, match="at least one row"):
        Standardizer().fit(np.zeros((0, 2)))
    with pytest.raises(ValueError, match="name for each of 2"):
        Standardizer().fit(np.zeros((1, 2)), columns=["a"])
    for use in (lambda s: s.transform([[1.0]]), lambda s: s.inverse_transform([[1.0]]), lambda s: s.to_dict()):
        with pytest.raises(ValueError, match="not fitted"):
            use(Standardizer())


def test_imputer():
    assert Imputer().fit([3.0, np.nan, 1.0, 2.0]).value == 2.0
    assert Imputer("most_frequent").fit(["b", None, "a", "b"]).transform([None, "long word"]).tolist() == [
        "b",
        "long word",
    ]
    assert Imputer("most_frequent").fit(["b", "a"]).value == "a"
    column = np.array([1.0, np.nan])
    Imputer().fit(column).transform(column)
    assert np.isnan(column[1])  # the input is left alone
    with pytest.raises(ValueError, match="3 missing"):
        Imputer().fit([np.nan] * 3)
    with pytest.raises(TypeError, match="most_frequent"):
        Imputer().fit(["a"])
    with pytest.raises(ValueError, match="got 'mean'"):
        Imputer("mean")
    with pytest.raises(ValueError, match=r"got \(1, 1\)"):
        Imputer().fit([[1.0]])
    for use in (lambda i: i.transform([1.0]), lambda i: i.to_dict()):
        with pytest.raises(ValueError, match="not fitted"):
            use(Imputer())
    assert repr(Imputer()) == "Imputer('median')" and repr(Imputer().fit([1.0])) == "Imputer('median', 1.0)"


@given(st.lists(st.sampled_from(["a", "b", "long", "ä"]), min_size=1))
def test_encoder_makes_one_column_for_each_category(cells):
    encoder = Encoder().fit(cells)
    made = encoder.transform(cells)
    assert made.shape == (len(cells), len(set(cells)))
    assert (made.sum(axis=1) == 1).all()
    assert [encoder.categories[column] for column in made.argmax(axis=1)] == cells
    assert encoder.columns("c") == [f"c={category}" for category in sorted(set(cells))]


def test_encoder_meets_the_unknown():
    encoder = Encoder().fit(["a", "b"])
    with pytest.raises(ValueError, match="knows 'a', 'b', got 'c'"):
        encoder.transform(["c"])
    assert encoder.transform(["c", "b"], unknown="zeros").tolist() == [[0, 0], [0, 1]]
    assert Encoder("zeros").fit([1, 2]).transform([3]).tolist() == [[0, 0]]
    with pytest.raises(ValueError, match="1 missing"):
        encoder.transform([None])
    with pytest.raises(ValueError, match="got 'ignore'"):
        Encoder("ignore")
    with pytest.raises(ValueError, match="got 0"):
        Encoder(max_categories=0)
    with pytest.raises(ValueError, match="got none"):
        Encoder().fit([])
    for use in (lambda e: e.transform(["a"]), lambda e: e.columns("a"), lambda e: e.to_dict()):
        with pytest.raises(ValueError, match="not fitted"):
            use(Encoder())
    assert repr(encoder) == "Encoder('a', 'b')" and repr(Encoder()) == "Encoder()"


def test_encoder_pools_rare_categories():
    encoder = Encoder(max_categories=2).fit([*"aaabbbcd", "other", "other", "other", "other"])
    assert encoder.columns("x") == ["x=a", "x=other", "x=any other"]
    assert encoder.transform(["d", "a", "new"]).argmax(1).tolist() == [2, 0, 2]
    assert Encoder(max_categories=2).fit(["a", "b"]).columns("x") == ["x=a", "x=b"]


@pytest.mark.parametrize(
    "fitted",
    [
        Standardizer().fit([[1.0, 0.1], [2.0, 0.3]], columns=["a", "b"]),
        Standardizer().fit([[1 / 3], [2.0]]),
        Imputer().fit([0.1, 0.2]),
        Imputer("most_frequent").fit(np.array(["a"])),
        Encoder().fit(np.array([1, 2])),
        Encoder("zeros", 1).fit(["a", "b"]),
    ],
)
def test_everything_survives_json(fitted):
    stored = json.loads(json.dumps(fitted.to_dict()))
    again = type(fitted).from_dict(stored)
    assert again.to_dict() == fitted.to_dict()
    with pytest.raises(ValueError, match="stored dict"):
        type(fitted).from_dict({**stored, "more": 1})
    with pytest.raises(ValueError, match="got list"):
        type(fitted).from_dict([])


@pytest.mark.parametrize(
    "damage",
    [
        {"scale": [0.0, 1.0]},
        {"mean": [1.0]},
        {"mean": [float("nan"), 1.0]},
        {"columns": ["a"]},
        {"scale": [[1.0, 1.0]]},
    ],
)
def test_a_damaged_standardizer_is_refused(damage):
    stored = Standardizer().fit(np.eye(2), columns=["a", "b"]).to_dict()
    with pytest.raises(ValueError, match="damaged"):
        Standardizer.from_dict({**stored, **damage})
