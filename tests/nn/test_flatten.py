import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn.nn import Flatten
from autograd_nn.testing import check_grads


def test_rows_one_after_the_other():
    x = np.arange(72.0).reshape(2, 1, 6, 6)
    np.testing.assert_array_equal(Flatten()(x), np.arange(72.0).reshape(2, 36))
    assert Flatten()(np.arange(3.0)).shape == (3, 1)
    assert Flatten()(np.zeros((0, 2, 3))).shape == (0, 6)
    assert repr(Flatten()) == "Flatten()"


def test_gradients_and_dtype():
    check_grads(lambda x: (Flatten()(x) ** 2).sum(), np.arange(12.0).reshape(2, 3, 2))
    assert Flatten()(Value(np.zeros((2, 3, 2)), dtype=np.float32)).dtype == np.float32


def test_a_scalar_is_no_batch():
    with pytest.raises(ValueError, match="flatten wanted a batch"):
        Flatten()(1.0)
