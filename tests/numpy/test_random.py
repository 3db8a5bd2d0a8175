import numpy as np
import pytest

import autograd_nn.numpy as anp
from autograd_nn import Value
from autograd_nn.numpy import random


def test_an_integer_is_a_seed_and_a_generator_goes_on():
    assert random.normal(size=3, rng=5).tolist() == np.random.default_rng(5).normal(size=3).tolist()
    rng, same = random.default_rng(5), np.random.default_rng(5)
    for _ in range(2):
        assert random.uniform(-1, 1, (2,), rng=rng).tolist() == same.uniform(-1, 1, (2,)).tolist()


def test_older_names():
    assert random.randn(2, 3, rng=0).shape == (2, 3)
    assert random.rand(4, rng=0).shape == (4,)
    assert isinstance(random.randn(rng=0), float)
    assert set(random.randint(3, size=50, rng=0)) == {0, 1, 2}
    assert random.random_sample(3, rng=0).tolist() == random.random(3, rng=0).tolist()
    assert random.RandomState(0).randn(2).tolist() == np.random.RandomState(0).randn(2).tolist()


def test_every_name_draws_or_says_why():
    methods = {name for name in dir(np.random.Generator) if name[0] != "_"} - {"bit_generator", "spawn"}
    assert methods <= set(random.__all__)
    for name in random.__all__:
        assert getattr(random, name).__doc__


def test_in_place_shuffle_of_an_array():
    x = np.arange(5)
    random.shuffle(x, rng=1)
    assert sorted(x) == list(range(5))


def test_no_generator_no_numbers():
    with pytest.raises(TypeError, match=r"random\.normal wanted rng=….*no global seed.*default_rng"):
        random.normal()
    with pytest.raises(TypeError, match=r"got str 'seed'"):
        random.rand(3, rng="seed")
    with pytest.raises(TypeError, match="got bool"):
        random.randn(3, rng=True)
    with pytest.raises(TypeError, match="no global seed"):
        random.seed(0)


def test_values_are_refused_with_the_reparametrization():
    with pytest.raises(TypeError, match=r"mean \+ scale \* random\.standard_normal"):
        random.normal(Value(0.0), 1.0, rng=0)
    with pytest.raises(TypeError, match=r"permutation\(len\(x\)"):
        random.permutation(Value([1.0, 2.0]), rng=0)
    with pytest.raises(TypeError, match="got a Value"):
        random.randint(0, Value(3.0), rng=0)


def test_neighbours():
    with pytest.raises(AttributeError, match="Did you mean .*normal"):
        _ = anp.random.norml
