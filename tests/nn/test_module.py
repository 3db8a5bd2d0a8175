import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

from autograd_nn import Graph, Value, nn, no_grad
from autograd_nn.nn import MLP, Linear, Module, Sequential


class Tied(Module):
    """Two linear maps that share one weight, parts in a list and in a dict, and running state."""

    def __init__(self):
        self.first = Linear(3, 3, rng=0)
        self.parts = [self.first, Linear(3, 2, rng=1)]
        self.more = {"last": Linear(2, 1, rng=2)}
        self.register_buffer("count", np.zeros(2, np.float32))
        self.note = "no parameter"
        self._private = Linear(1, 1, rng=3)

    def forward(self, x):
        for part in (self.first, *self.parts, self.more["last"]):
            x = part(x)
        return x


def test_parameters_are_found_in_attributes_lists_and_dicts_each_once():
    model = Tied()
    assert [path for path, _ in model.named_parameters()] == [
        "first.weight",
        "first.bias",
        "parts.1.weight",
        "parts.1.bias",
        "more.last.weight",
        "more.last.bias",
    ]
    assert [path for path, _ in model.named_modules()] == ["", "first", "parts.1", "more.last"]
    assert [path for path, _ in model.named_buffers()] == ["count"]
    assert len(model.parameters()) == 6
    assert len(model.modules()) == 4
    assert all(p.is_leaf and p.requires_grad for p in model.parameters())


def test_a_shared_weight_gets_the_sum_of_its_gradients():
    model = Tied()
    x = np.ones((1, 3), np.float32)
    model(x).sum().backward()
    shared = model.first.weight.grad
    twin = copy.deepcopy(model)
    twin.parts[0] = copy.deepcopy(model.first)
    twin.zero_grad()
    twin(x).sum().backward()
    np.testing.assert_allclose(shared, twin.first.weight.grad + twin.parts[0].weight.grad, rtol=1e-6)


def test_state_dict_goes_back_into_another_model():
    a, b = MLP([4, 5, 2], rng=0), MLP([4, 5, 2], rng=1)
    state = a.state_dict()
    assert list(state) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]
    b.load_state_dict(state)
    x = np.ones((3, 4))
    np.testing.assert_array_equal(a(x).data, b(x).data)
    state["layers.0.weight"][:] = 0  # a copy
    np.testing.assert_array_equal(a(x).data, b(x).data)


def test_buffers_are_part_of_the_state_and_not_trained():
    model = Tied()
    assert "count" in model.state_dict()
    assert not model.count.requires_grad
    state = model.state_dict() | {"count": np.array([1.0, 2.0])}
    model.load_state_dict(state)
    assert model.count.data.tolist() == [1, 2]
    model.unfreeze()
    assert not model.count.requires_grad


@pytest.mark.parametrize("state", [None, [1.0], "file.safetensors"])
def test_load_state_dict_wants_arrays_by_path(state):
    with pytest.raises(TypeError, match=r"wanted arrays by path, as state_dict\(\) returns, got"):
        Linear(2, 1, rng=0).load_state_dict(state)


def test_load_state_dict_lists_every_mismatch_and_changes_nothing():
    model = MLP([4, 5, 2], rng=0)
    before = model.state_dict()
    bad = dict(before)
    del bad["layers.0.bias"]
    bad["layers.0.weight"] = np.zeros((5, 4))
    bad["layers.1.bias"] = np.array(["a", "b"])
    bad["extra"] = np.zeros(3)
    bad["layers.1.weight"] = np.ones((5, 2))
    with pytest.raises(ValueError, match="does not fit MLP") as caught:
        model.load_state_dict(bad)
    text = str(caught.value)
    for words in (
        "missing: layers.0.bias (5,)",
        "other shape: layers.0.weight wanted (4, 5), got (5, 4)",
        "other kind of numbers: layers.1.bias wanted float32, got <U1",
        "not expected: extra (3,)",
    ):
        assert words in text
    for path, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[path])
    model.load_state_dict({"layers.1.weight": np.ones((5, 2)), "extra": 1.0}, strict=False)
    assert model.layers[1].weight.data.tolist() == np.ones((5, 2)).tolist()
    with pytest.raises(ValueError, match="other shape"):
        model.load_state_dict({"layers.1.weight": np.ones(2)}, strict=False)


def test_freeze_and_unfreeze():
    model = MLP([2, 3, 1], rng=0)
    model.layers[0].freeze()
    model(np.ones((1, 2))).sum().backward()
    assert model.layers[0].weight.grad is None
    assert model.layers[1].weight.grad is not None
    assert len(model.parameters()) == 4
    assert all(p.requires_grad for p in model.unfreeze().parameters())


def test_train_and_eval_reach_every_part():
    model = Tied()
    assert model.training
    model.eval()
    assert not any(m.training for m in model.modules())
    model.train()
    assert all(m.training for m in model.modules())


def test_apply_calls_parts_first():
    seen = []
    model = Sequential(Linear(1, 2, rng=0), Sequential(Linear(2, 1, rng=0)))
    assert model.apply(lambda m: seen.append(type(m).__name__)) is model
    assert seen == ["Linear", "Sequential", "Linear", "Sequential"]


def test_initialize_is_reproducible_and_draws_every_layer_differently():
    a = Sequential(Linear(3, 3), Linear(3, 3)).initialize(7)
    b = Sequential(Linear(3, 3), Linear(3, 3)).initialize(7)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    assert not np.array_equal(a[0].weight.data, a[1].weight.data)


def test_scopes_and_names_follow_the_paths():
    model = Tied()
    graph = Graph.of(model(np.ones((1, 3))))
    scopes = {node.scope for node in graph.nodes if node.op is not None}
    assert scopes == {"tied/first", "tied/parts.1", "tied/more.last"}
    names = {(node.scope, node.name) for node in graph.leaves if node.name}
    assert ("tied/first", "weight") in names
    assert len(names) == 6


def test_a_part_called_alone_has_its_own_scope():
    model = MLP([2, 3, 1], rng=0)
    x = np.ones((1, 2))
    part = model.layers[0]
    assert part(x).scope == "linear"
    assert model(x).scope != "linear"
    assert Graph.of(model(x)).nodes[-1].scope.startswith("mlp/")


def test_appended_layers_are_labelled_at_the_next_call():
    model = Sequential(Linear(2, 2, rng=0))
    model(np.ones((1, 2)))
    model.append(Linear(2, 1, rng=0))
    assert model(np.ones((1, 2))).scope == "sequential/layers.1"


def test_scope_is_restored_after_an_error():
    class Fails(Module):
        def forward(self, x):
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        Fails()(1.0)
    assert (Value(1.0) * 2.0).scope is None


def test_no_grad_and_threads_do_not_disturb_scopes():
    model = MLP([2, 3, 1], rng=0)
    x = np.ones((1, 2))
    with no_grad():
        assert model(x).is_leaf
    outputs = []
    threads = [threading.Thread(target=lambda: outputs.append(model(x))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {y.scope for y in outputs} == {model(x).scope}
    assert model(x).op is not None


def test_forward_is_asked_for():
    class Empty(Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no forward: write `def forward"):
        Empty()(1.0)


def test_dtype_of_inputs():
    layer = Linear(2, 1, rng=0)
    assert layer([[1, 2]]).dtype == np.float32
    assert layer(np.ones((1, 2))).dtype == np.float32
    assert layer(Value(np.ones((1, 2), np.float32))).dtype == np.float32
    with pytest.raises(TypeError, match=r"parameters of float32.*of float64.*write x\.astype"):
        layer(Value(np.ones((1, 2))))
    with pytest.raises(TypeError, match="wanted an array of real numbers, got dtype <U1"):
        layer(np.array([["a", "b"]]))
    layer.astype(np.float64)
    assert layer.dtype == layer.weight.dtype == np.float64
    assert layer(np.ones((1, 2))).dtype == np.float64
    with pytest.raises(TypeError, match="wanted a floating point dtype, got int64"):
        layer.astype(np.int64)


def test_repr_reads_like_the_code():
    assert repr(Linear(3, 2, rng=0)) == "Linear(3, 2)"
    assert (
        repr(Linear(3, 2, bias=False, init="zeros", dtype=float))
        == "Linear(3, 2, bias=False, init='zeros', dtype=float64)"
    )
    assert repr(MLP([2, 3, 1], activation=np.tanh, rng=0)).startswith(
        "MLP([2, 3, 1], activation=tanh,\n  (layers.0): Lin"
    )
    text = repr(Sequential(Linear(1, 1), np.tanh, Sequential(Linear(1, 2))))
    assert text.splitlines() == [
        "Sequential(",
        "  (layers.0): Linear(1, 1)",
        "  (layers.2): Sequential(",
        "    (layers.0): Linear(1, 2)",
        "  )",
        ")",
    ]


def test_config_holds_the_constructor_arguments():
    config = Linear(3, 2, bias=False, rng=0).config()
    assert config == {"in_features": 3, "out_features": 2, "bias": False, "init": "he_normal", "dtype": np.dtype("f4")}
    assert Linear(**config).bias is None
    assert Linear(**Linear(3, 2).config()).bias is not None

    class Forgets(Module):
        def __init__(self, width):
            self.layer = Linear(width, 1)

    with pytest.raises(AttributeError, match=r"does not keep its argument 'width': write `self\.width = width`"):
        Forgets(3).config()
    assert "Forgets(" in repr(Forgets(3))


def test_copy_and_pickle_and_death():
    model = MLP([2, 3, 1], rng=0)
    x = np.ones((4, 2))
    y = model(x).data
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other(x).data, y)
        other.layers[0].weight.data = np.zeros((2, 3))
        np.testing.assert_array_equal(model(x).data, y)
    gc.disable()
    try:
        grave = weakref.ref(model)
        model(x).sum().backward()
        del model
        assert grave() is None
    finally:
        gc.enable()


def test_integer_buffers_keep_their_dtype():
    class Counts(Module):
        def __init__(self):
            self.register_buffer("steps", np.zeros((), np.int64))

    model = Counts()
    assert model.steps.dtype == np.int64
    model.load_state_dict({"steps": np.array(3)})
    assert model.state_dict()["steps"] == 3
    assert model.astype(np.float64).steps.dtype == np.int64
    assert nn.Module in Counts.__mro__


class Parts(nn.Module):
    def __init__(self, parts):
        self.parts = parts


def test_keys_of_dicts_are_data():
    leaf = Value(np.ones(1))
    assert Parts({"_id": leaf}).parameters() == [leaf]
    for parts in ({"a.b": leaf, "a": {"b": Value(0.5)}}, {0: leaf, "0": Value(0.5)}):
        model = Parts(parts)
        assert len(model.parameters()) == 2
        with pytest.raises(ValueError, match="two parameters of Parts have the path 'parts"):
            model.state_dict()


def test_private_attributes_are_no_parameters():
    model = Parts([])
    model._cache = Value(np.ones(1))
    assert not model.parameters()
    for name in ("_mean", "a.b", ""):
        with pytest.raises(ValueError, match="register_buffer wanted the name of an attribute"):
            model.register_buffer(name, np.ones(1))


def test_a_state_with_numbers_that_do_not_fit_changes_nothing():
    model = Parts([Value(np.zeros(2, np.float32))])
    model.register_buffer("count", np.zeros(2, np.int8))
    model.register_buffer("mask", np.zeros(2, bool))
    good = {"parts.0": [1, 2], "count": [1, 2], "mask": [0, 1]}
    before = model.state_dict()
    for path, bad, words in (
        ("parts.0", [1e300, 0.0], "too large: parts.0 wanted float32, got float64"),
        ("parts.0", np.ones(2, complex), "other kind of numbers: parts.0 wanted float32"),
        ("parts.0", np.array([1, 2], object), "other kind of numbers"),
        ("count", [1, 1000], "numbers that do not fit: count wanted int8"),
        ("count", np.array([1, 2**64 - 1], np.uint64), "numbers that do not fit: count"),
        ("count", [1.0, 2.0], "other kind of numbers: count"),
        ("mask", [0, 2], "numbers that do not fit: mask wanted bool"),
    ):
        with pytest.raises(ValueError, match=words):
            model.load_state_dict({**good, path: bad})
        assert {p: a.tolist() for p, a in model.state_dict().items()} == {p: a.tolist() for p, a in before.items()}
    model.load_state_dict({**good, "parts.0": np.array([np.inf, np.nan])})
    assert model.count.tolist() == [1, 2]
    assert model.mask.tolist() == [False, True]


def test_unfreeze_passes_over_integers():
    model = Parts([Value(np.ones(2, int), dtype=int, requires_grad=False), Value(np.ones(2))])
    model.freeze().unfreeze()
    assert [p.requires_grad for p in model.parameters()] == [False, True]


def test_a_module_that_contains_itself():
    model = Parts([Value(np.ones(1))])
    model.me = model
    model.eval().freeze()
    copied = copy.deepcopy(model)
    assert copied.me is copied
    assert list(model.state_dict()) == ["parts.0"]
    assert repr(model)
