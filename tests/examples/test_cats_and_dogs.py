"""A few pictures are known by heart; with many, the gap between training and test closes."""

import numpy as np

from examples import cats_and_dogs


def test_coverage_cats_versus_dogs_image_input(capsys):
    result = cats_and_dogs.main()
    few, _, many = cats_and_dogs.SIZES
    assert result[f"train_{few}"] == 1.0
    assert result[f"train_{few}"] - result[f"test_{few}"] > 0.08
    assert result[f"test_{many}"] > 0.97
    assert result[f"train_{many}"] - result[f"test_{many}"] < 0.03
    assert capsys.readouterr().out.splitlines()[-1] == "This is a cat, and the network says: cat."


def test_pictures_are_never_the_same_twice():
    x, labels = cats_and_dogs.pictures(50, np.random.default_rng(0))
    assert x.shape == (50, 1, 20, 20) and labels.tolist() == [0, 1] * 25
    assert len(np.unique(x.reshape(50, -1), axis=0)) == 50
