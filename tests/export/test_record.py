import numpy as np
import pytest

from autograd_nn import Value, nn, no_grad
from autograd_nn.export import to_onnx, to_python
from autograd_nn.export.record import module_of, predicting, suiting


class Net(nn.Module):
    def __init__(self):
        self.norm = nn.BatchNorm(3, dtype=float)
        self.cells = nn.LSTM(3, 2, scan=True, returns="last", dtype=float, rng=0)
        self.drop = nn.Dropout(0.5, rng=0)

    def forward(self, x):
        return self.cells(self.drop(self.norm(x))[:, None])

    def twice(self, x):
        return 2 * self(x)


def settings(net):
    return [{name: vars(m).get(name) for name in ("training", "scan")} for m in net.modules()]


@pytest.mark.parametrize("export", [to_onnx, to_python])
@pytest.mark.parametrize("function", [lambda net: net, lambda net: net.twice])
def test_a_model_is_exported_as_it_predicts_and_left_as_it_was(export, function):
    if export is to_onnx:
        pytest.importorskip("onnx")
    net, x = Net(), np.random.default_rng(0).normal(size=(4, 3))
    net.train()
    net.norm.eval()  # one frozen part stays so
    del net.drop.training  # and one that was never told keeps to its class
    before, state, generator = settings(net), net.state_dict(), net.drop.rng.bit_generator.state
    gradients = [p.grad for p in net.parameters()]
    with no_grad():  # has no say in what is recorded
        export(function(net), x)
    assert settings(net) == before
    assert [m.training for m in (net, net.norm, net.drop)] == [True, False, True]
    assert net.drop.rng.bit_generator.state == generator
    assert [p.grad for p in net.parameters()] == gradients
    for path, array in net.state_dict().items():
        assert array.tobytes() == state[path].tobytes()


def test_a_model_is_left_as_it_was_when_it_fails():
    net = Net()
    before = settings(net)

    def fail():
        with predicting(net):
            assert not (net.training or net.drop.training or net.cells.scan)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert settings(net) == before


def test_module_of():
    net = Net()
    assert module_of(net) is net
    assert module_of(net.twice) is net
    assert module_of(np.tanh) is None
    assert module_of([].append) is None


def test_examples_get_the_dtype_that_the_model_wants():
    single = nn.MLP([2, 1], rng=0)
    assert suiting(single, np.ones((2, 2))).dtype == np.float32
    assert suiting(single, np.ones((2, 2), int)).dtype == np.float32
    assert suiting(single, np.ones((2, 2), bool)).dtype == np.float32
    assert suiting(nn.Sequential(nn.Embedding(3, 2), np.tanh), np.ones((2, 2), np.int32)).dtype == np.int32
    assert suiting(lambda x: x, np.ones((2, 2), np.float16)).dtype == np.float16
    with pytest.raises(TypeError, match="examples of real numbers, got dtype object"):
        suiting(single, np.array([[None]]))
    assert isinstance(single(Value(np.ones((1, 2)), dtype=np.float32)), Value)
