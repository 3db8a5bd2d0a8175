"""Recurrent cells and layers: PyTorch's numbers, central differences, padding, bad inputs."""

import numpy as np
import pytest

from autograd_nn import Value
from autograd_nn import numpy as anp
from autograd_nn.graph import Graph
from autograd_nn.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from autograd_nn.nn.recurrent import Cell
from autograd_nn.testing import check_grads

KINDS = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}
CELLS = {"RNN": RNNCell, "LSTM": LSTMCell, "GRU": GRUCell}


def wave(start, *shape):
    """Numbers that look random and can be written down in any language: sin(start + 1.7 n)."""
    return np.sin(start + 1.7 * np.arange(np.prod(shape))).reshape(shape)


def numbers(text):
    return np.array(text.split(), float)


# Outputs and gradients of torch.nn.RNN, LSTM, GRU (PyTorch 2.13.0, float64, batch_first=True) with two inputs and
# two units. Weights, transposed, are wave(0, …), wave(1, …), biases wave(2, …), the GRU's second one wave(3, …), the
# others' second ones 0. x = wave(5, 2, 3, 2), h = wave(6, 1, 2, 2), c = wave(7, 1, 2, 2), loss
# = Σ outputs · wave(8, …).
PYTORCH = {
    "RNN": {
        "outputs": numbers(
            "-0.35366046082 -0.97348942236 0.93513451229 0.72708974232 0.66341347777 -0.93472135237 0.97125567941 "
            "0.76346242502 0.63298185793 -0.88914913484 0.98766553106 0.67007857012"
        ),
        "x": numbers(
            "-0.010933633042 -0.20187663372 0.049109967907 -0.027039836069 -0.089146339742 -0.029550892036 "
            "0.23082347994 -0.20984414522 -0.22078678273 0.11208849921 0.5463986456 -0.50928661008"
        ),
        "input_weight": numbers("-1.2664398177 0.27856538397 1.1258372991 -1.0907227865"),
        "hidden_weight": numbers("0.56164715507 0.03979340237 1.5184913625 -1.0158554248"),
        "bias": numbers("1.5402962674 0.5097138999"),
    },
    "LSTM": {
        "outputs": numbers(
            "0.28341011226 0.41985884285 0.19489400001 0.028773509417 0.20645011292 -0.20526392284 -0.39062857062 "
            "0.020835523479 0.14214006825 -0.20116590492 0.053785349356 -0.2049751946"
        ),
        "x": numbers(
            "-0.011913016539 -0.02296318374 0.053003211531 0.080459195467 0.0099772133956 -0.027394324927 "
            "-0.11440029703 -0.13483932017 0.0090767161235 0.048428742006 0.098203606774 -0.080031389317"
        ),
        "input_weight": numbers(
            "-0.03719599565 -0.11324841977 -0.036562762856 0.0060449541198 -0.22315848672 -0.014837366984 "
            "-0.30897197289 -0.0088567521586 0.0064194359328 0.25049217919 0.0074334046937 0.022415293498 "
            "0.20137302773 -0.15804189297 0.19184573395 0.12406855839"
        ),
        "hidden_weight": numbers(
            "-0.0096140568737 -0.027074219081 -0.01106954796 -0.0034679581238 -0.058486928821 0.020278971483 "
            "-0.068507196921 -0.021747463958 -0.015884742574 0.054311082011 -0.016509424716 -0.017015867866 "
            "0.16043774465 -0.034170256884 0.029756603523 2.410442735e-05"
        ),
        "bias": numbers(
            "0.045508298041 0.17798314524 0.040951894505 -0.06658010048 0.032961285439 -0.024576276792 0.25901527689 "
            "-0.0014354987109"
        ),
    },
    "GRU": {
        "outputs": numbers(
            "-0.37964129594 0.80404542417 0.22983151207 0.36735749509 -0.1386260584 0.26141016647 0.89809511086 "
            "-0.93704291255 0.60604206168 -0.93335055199 0.96531437162 -0.91753040021"
        ),
        "x": numbers(
            "0.049937007199 -0.030477425803 -0.11703844992 0.23332646295 0.10960725288 -0.053401134207 "
            "0.039972132781 0.03089036323 0.096736313608 -0.20162215825 0.032582886927 0.0029186634687"
        ),
        "input_weight": numbers(
            "0.0787829504 -0.010343578019 -0.04149794621 0.052617443083 -0.41456193141 0.030743224892 "
            "-0.033447423649 0.035569185528 0.067855117045 -0.021489070033 0.52034946811 -0.10875559603"
        ),
        "hidden_weight": numbers(
            "0.0062856383939 -0.0097446897877 -0.003185594186 -0.015768107957 0.21734239384 0.0095749703729 "
            "-0.014658879357 0.03631034137 0.16704404439 -0.01221294014 -0.15869465781 -0.034838629465"
        ),
        "bias": numbers("0.033471605711 -0.035968854974 0.39034241873 -0.14067644865 0.29480198318 0.089304892346"),
        "hidden_bias": numbers(
            "0.033471605711 -0.035968854974 0.39034241873 -0.14067644865 0.20861671113 0.02772856567"
        ),
    },
}

# Two layers in both directions, sequences of lengths 3 and 2 (packed); the cells in the order layer 0, layer 0 reverse,
# layer 1, layer 1 reverse have waves that begin at 0, 4, 8, 12. No first state.
PYTORCH_STACKED = {
    "RNN": {
        "outputs": numbers(
            "0.83791063251 -0.87524672494 0.65773645644 0.98649919822 -0.54209262617 -0.92052090089 0.26128944156 "
            "-0.87425191736 0.70323028408 -0.91090116608 0.15199224631 0.87387338142 -0.80875133466 0.095599582529 "
            "0.29202601197 -0.87282340539 0.47503560806 -0.20886811476 0.17242049671 0.85135792137 0.0 0.0 0.0 0.0"
        ),
        "h": numbers(
            "0.60565455292 -0.93529745194 0.60703030434 -0.89902041388 0.93516987599 0.850891182 -0.87527906892 "
            "0.13306225247 0.70323028408 -0.91090116608 0.47503560806 -0.20886811476 0.65773645644 0.98649919822 "
            "0.29202601197 -0.87282340539"
        ),
        "x": numbers(
            "-0.05806084935 -0.0081105561411 -0.20231714657 0.32556945383 -0.13567526687 0.039860383846 "
            "0.38048986768 0.019371291433 0.35646662127 -0.32530609697 0.0 0.0"
        ),
    },
    "LSTM": {
        "outputs": numbers(
            "-0.17983123901 -0.034440400603 0.19013805255 -0.23147935317 -0.27810073971 -0.033010508537 "
            "0.17575479957 -0.2043670875 -0.31201067978 0.010333309749 0.14762744575 -0.153761591 -0.18151365381 "
            "-0.01843405808 0.1815594277 -0.26838580363 -0.24413810045 0.012988941055 0.14037453904 -0.14999888973 "
            "0.0 0.0 0.0 0.0"
        ),
        "h": numbers(
            "0.20273520361 -0.28159753324 0.15651575026 -0.32629050906 0.07408129823 0.16687346308 0.075559233881 "
            "0.20277378313 -0.31201067978 0.010333309749 -0.24413810045 0.012988941055 0.19013805255 -0.23147935317 "
            "0.1815594277 -0.26838580363"
        ),
        "x": numbers(
            "0.034609545683 0.13897900014 0.18538951434 0.073805599913 0.020752472767 0.018627426713 0.11395621025 "
            "0.067465014643 -0.0096174412212 -0.034115006229 0.0 0.0"
        ),
    },
    "GRU": {
        "outputs": numbers(
            "-0.12769223075 -0.19757729944 0.96843712091 -0.1610364536 -0.17728416855 -0.37595563255 0.92014517982 "
            "0.1384061525 -0.27282632648 -0.47851369575 0.82769944039 -0.16956678116 -0.046940131762 -0.24083548488 "
            "0.91032112554 0.25902808109 -0.17564852081 -0.37060826133 0.83585040128 -0.16507436903 0.0 0.0 0.0 0.0"
        ),
        "h": numbers(
            "0.05406269297 -0.22695514515 0.18887958055 -0.23940570447 0.89900735919 0.58782504956 0.46975554645 "
            "0.87984792354 -0.27282632648 -0.47851369575 -0.17564852081 -0.37060826133 0.96843712091 -0.1610364536 "
            "0.91032112554 0.25902808109"
        ),
        "x": numbers(
            "0.14787561561 -0.20692342937 0.054874405228 -0.46497338992 0.071894063654 -0.23357474101 0.059223643894 "
            "-0.170291962 0.0083059138676 -0.034149322152 0.0 0.0"
        ),
    },
}


def load(cell, start=0):
    cell.input_weight.data = wave(start, *cell.input_weight.shape)
    cell.hidden_weight.data = wave(start + 1, *cell.hidden_weight.shape)
    cell.bias.data = wave(start + 2, *cell.bias.shape)
    if cell.hidden_bias is not None:
        cell.hidden_bias.data = wave(start + 3, *cell.hidden_bias.shape)


def first_state(kind, *shape):
    return (wave(6, *shape), wave(7, *shape)) if kind == "LSTM" else wave(6, *shape)


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_pytorch(kind, scan):
    layer = KINDS[kind](2, 2, dtype=float, scan=scan)
    load(layer.cells[0])
    x = Value(wave(5, 2, 3, 2))
    outputs, _ = layer(x, first_state(kind, 1, 2, 2))
    (outputs * wave(8, 2, 3, 2)).sum().backward()
    cell, expected = layer.cells[0], PYTORCH[kind]
    np.testing.assert_allclose(outputs.data.ravel(), expected["outputs"], atol=1e-9)
    np.testing.assert_allclose(x.grad.ravel(), expected["x"], atol=1e-9)
    for name in set(expected) - {"outputs", "x"}:
        np.testing.assert_allclose(getattr(cell, name).grad.ravel(), expected[name], atol=1e-9, err_msg=name)


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_stacked_bidirectional_with_lengths_equals_pytorch(kind, scan):
    layer = KINDS[kind](2, 2, layers=2, bidirectional=True, dtype=float, scan=scan)
    cells = [layer.cells[0], layer.reverse_cells[0], layer.cells[1], layer.reverse_cells[1]]
    for i, cell in enumerate(cells):
        load(cell, 4 * i)
    x = Value(wave(5, 2, 3, 2))
    outputs, state = layer(x, lengths=[3, 2])
    (outputs * wave(8, 2, 3, 4)).sum().backward()
    h = state[0] if kind == "LSTM" else state
    expected = PYTORCH_STACKED[kind]
    np.testing.assert_allclose(outputs.data.ravel(), expected["outputs"], atol=1e-9)
    np.testing.assert_allclose(h.data.ravel(), expected["h"], atol=1e-9)
    np.testing.assert_allclose(x.grad.ravel(), expected["x"], atol=1e-9)


def test_equals_an_installed_pytorch():
    torch = pytest.importorskip("torch")
    for kind in KINDS:
        for layers in (1, 2):
            for bidirectional in (False, True):
                compare_with(torch, kind, layers, bidirectional)


def compare_with(torch, kind, layers, bidirectional):
    directions = 2 if bidirectional else 1
    layer = KINDS[kind](3, 4, layers=layers, bidirectional=bidirectional, dtype=float, rng=0)
    theirs = getattr(torch.nn, kind)(3, 4, layers, batch_first=True, bidirectional=bidirectional, dtype=torch.float64)
    for depth in range(layers):
        for cells, suffix in ((layer.cells, ""), (layer.reverse_cells, "_reverse"))[:directions]:
            weights = {n: getattr(theirs, f"{n}_l{depth}{suffix}").detach().numpy() for n in TORCH_NAMES}
            cell = cells[depth]
            cell.input_weight.data, cell.hidden_weight.data = weights["weight_ih"].T, weights["weight_hh"].T
            second = kind == "GRU"
            cell.bias.data = weights["bias_ih"] + (0 if second else weights["bias_hh"])
            if second:
                cell.hidden_bias.data = weights["bias_hh"]
    data, lengths = wave(1, 3, 5, 3), [5, 2, 3]
    x, y = Value(data), torch.tensor(data, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(y, lengths, batch_first=True, enforce_sorted=False)
    wanted = torch.nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)[0]
    outputs, _ = layer(x, lengths=lengths)
    (outputs**2).sum().backward()
    (wanted**2).sum().backward()
    np.testing.assert_allclose(outputs.data, wanted.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(x.grad, y.grad.numpy(), atol=1e-12)


TORCH_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_cell_step_by_step(kind):
    layer = KINDS[kind](3, 4, rng=0, dtype=float)
    x, state = wave(1, 2, 5, 3), None
    outputs, final = layer(x)
    for t in range(5):
        state = layer.cells[0](x[:, t], state)
        h = state[0] if kind == "LSTM" else state
        np.testing.assert_allclose(outputs.data[:, t], h.data, atol=1e-15)
    for a, b in zip(final, state if kind == "LSTM" else (state,), strict=True):
        np.testing.assert_allclose(a.data[0] if kind == "LSTM" else a.data, b.data, atol=1e-15)


@pytest.mark.parametrize("kind", CELLS)
def test_gradients_of_cells(kind):
    cell = CELLS[kind](2, 3, dtype=float, rng=0)
    names = [name for name, _ in cell.named_parameters()]

    def f(x, state, *parameters):
        for name, p in zip(names, parameters, strict=True):
            setattr(cell, name, p)
        new = cell(x, state)
        return sum((s * s).sum() for s in new) if kind == "LSTM" else (new * new).sum()

    check_grads(f, wave(1, 2, 2), first_state(kind, 2, 3), *[p.data.copy() for p in cell.parameters()])


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_layers(kind, scan):
    layer = KINDS[kind](2, 2, layers=2, bidirectional=True, dtype=float, rng=0, scan=scan)
    cells = [*layer.cells, *layer.reverse_cells]

    def f(x, state, *weights):
        for cell, w in zip(cells, weights, strict=True):
            cell.hidden_weight = w
        outputs, final = layer(x, state, mask=[[True, True, True], [True, False, False]])
        ends = final if kind == "LSTM" else (final,)
        return (outputs**2).sum() + sum((s * s).sum() for s in ends)

    state = first_state(kind, 4, 2, 2)
    check_grads(f, wave(1, 2, 3, 2), state, *[cell.hidden_weight.data.copy() for cell in cells], order=1)


def test_gradient_of_the_layer_reaches_every_parameter():
    layer = GRU(2, 3, layers=2, bidirectional=True, rng=0)
    outputs, _ = layer(wave(1, 2, 4, 2))
    (outputs**2).sum().backward()
    assert len(layer.parameters()) == 4 * 4
    assert all(np.abs(p.grad).max() > 0 for p in layer.parameters())


@pytest.mark.parametrize("scan", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind, bidirectional, scan):
    layer = KINDS[kind](2, 3, layers=2, bidirectional=bidirectional, dtype=float, rng=0, scan=scan)
    long = wave(1, 2, 6, 2)
    long[1, 4:] = np.nan  # whatever stands there
    x = Value(long)
    outputs, state = layer(x, lengths=[6, 4])
    alone, alone_state = layer(long[1:, :4])
    np.testing.assert_allclose(outputs.data[1, :4], alone.data[0], atol=1e-15)
    assert not outputs.data[1, 4:].any()
    pair = zip(state, alone_state, strict=True) if kind == "LSTM" else [(state, alone_state)]
    for s, t in pair:
        np.testing.assert_allclose(s.data[:, 1], t.data[:, 0], atol=1e-15)
    last = state[0] if kind == "LSTM" else state
    ((outputs**2).sum() + (last**2).sum()).backward()
    assert not x.grad[1, 4:].any()  # 0, and not nan
    assert np.all(x.grad[1, :4] != 0)
    assert all(np.isfinite(p.grad).all() for p in layer.parameters())


def test_mask_with_holes_and_empty_rows():
    layer = GRU(2, 3, dtype=float, rng=0)
    x = wave(1, 3, 4, 2)
    mask = np.array([[True, False, True, True], [False] * 4, [True] * 4])
    outputs, state = layer(x, wave(2, 1, 3, 3), mask=mask)
    dense, end = layer(x[:1, [0, 2, 3]], wave(2, 1, 3, 3)[:, :1])
    np.testing.assert_allclose(outputs.data[0, [0, 2, 3]], dense.data[0], atol=1e-15)
    np.testing.assert_allclose(state.data[:, 0], end.data[:, 0], atol=1e-15)
    np.testing.assert_array_equal(state.data[:, 1], wave(2, 1, 3, 3)[:, 1])  # carried through, nothing happened
    assert not outputs.data[1].any()


def test_masks_and_lengths_may_be_values():
    layer = LSTM(2, 3, rng=0)
    x = wave(1, 2, 4, 2)
    wanted = layer(x, lengths=[4, 2])[0].data
    lengths = Value(np.array([4, 2]), dtype=int, requires_grad=False)
    np.testing.assert_array_equal(layer(x, lengths=lengths)[0].data, wanted)
    np.testing.assert_array_equal(layer(x, mask=lengths[:, None] > np.arange(4))[0].data, wanted)


def test_mask_of_true_is_no_mask():
    layer = LSTM(2, 3, rng=0)
    x = wave(1, 2, 4, 2)
    np.testing.assert_array_equal(layer(x, lengths=[4, 4])[0].data, layer(x)[0].data)


@pytest.mark.parametrize("kind", KINDS)
def test_scan_gives_the_same_numbers(kind):
    x = wave(1, 3, 7, 2).astype(np.float32)
    found = []
    for scan in (False, True):
        layer = KINDS[kind](2, 4, layers=2, bidirectional=True, rng=0, scan=scan)
        outputs, _ = layer(x)
        (outputs**2).mean().backward()
        found.append([outputs.data, *[p.grad for p in layer.parameters()]])
    for a, b in zip(*found, strict=True):
        assert a.dtype == b.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_returned(kind):
    x = wave(1, 2, 5, 3)
    outputs, state = KINDS[kind](3, 4, layers=2, bidirectional=True, rng=0)(x, lengths=[5, 3])
    h = state[0] if kind == "LSTM" else state
    only = KINDS[kind](3, 4, layers=2, bidirectional=True, rng=0, returns="outputs")(x, lengths=[5, 3])
    last = KINDS[kind](3, 4, layers=2, bidirectional=True, rng=0, returns="last")(x, lengths=[5, 3])
    np.testing.assert_array_equal(only.data, outputs.data)
    np.testing.assert_array_equal(last.data, np.concatenate([h.data[2], h.data[3]], axis=-1))
    np.testing.assert_array_equal(last.data[:, :4], [outputs.data[0, 4, :4], outputs.data[1, 2, :4]])
    assert outputs.dtype == np.float32
    one = KINDS[kind](3, 4, rng=0, returns="last")(x)
    assert one.shape == (2, 4)


def test_a_long_sequence_may_be_read_in_parts():
    layer = LSTM(2, 3, layers=2, dtype=float, rng=0)
    x = wave(1, 2, 8, 2)
    whole, (h, c) = layer(x)
    first, state = layer(x[:, :5])
    second, (h2, c2) = layer(x[:, 5:], state)
    np.testing.assert_allclose(anp.concatenate([first, second], axis=1).data, whole.data, atol=1e-15)
    np.testing.assert_allclose([h2.data, c2.data], [h.data, c.data], atol=1e-15)


def test_dropout_is_between_layers_and_in_training_only():
    layer = RNN(2, 50, layers=2, dropout=0.5, rng=0)
    x = wave(1, 2, 3, 2)
    a, b = layer(x)[0].data, layer(x)[0].data
    assert not np.array_equal(a, b)
    again = RNN(2, 50, layers=2, dropout=0.5, rng=0)
    np.testing.assert_array_equal(again(x)[0].data, a)  # one seed, one result
    plain = RNN(2, 50, layers=2, rng=0)
    plain.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(layer.eval()(x)[0].data, plain(x)[0].data)
    np.testing.assert_array_equal(layer(x)[1].data[0], plain(x)[1].data[0])


def test_first_parameters():
    cell = LSTMCell(5, 8, dtype=float, rng=0)
    for gate in np.split(cell.hidden_weight.data, 4, axis=1):
        np.testing.assert_allclose(gate.T @ gate, np.eye(8), atol=1e-12)
    limit = np.sqrt(6 / (5 + 8))  # Glorot and Bengio (2010), equation 16, for one gate
    assert limit * 0.9 < np.abs(cell.input_weight.data).max() <= limit
    assert cell.bias.data.tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16
    assert not GRUCell(5, 8).bias.data.any()
    assert GRUCell(5, 8, bias=False).parameters()[2:] == []
    assert LSTMCell(5, 8, bias=False).bias is None
    layer = GRU(2, 3, layers=2, bidirectional=True, rng=0)
    before = layer.state_dict()
    layer.cells[0].hidden_bias.data = np.ones(9)
    layer.initialize(0)
    assert not layer.cells[0].hidden_bias.data.any()
    after = layer.initialize(0).state_dict()
    assert before.keys() == after.keys()
    assert {k: v.shape for k, v in before.items()} == {k: v.shape for k, v in after.items()}
    other = layer.initialize(1).state_dict()
    assert not np.array_equal(other["cells.0.input_weight"], after["cells.0.input_weight"])


def test_layers_without_bias():
    for kind in KINDS.values():
        layer = kind(2, 3, bias=False, rng=0)
        outputs, _ = layer(np.zeros((1, 4, 2)))
        assert not outputs.data.any()
        assert len(layer.parameters()) == 2


def test_activation_of_a_simple_cell():
    cell = RNNCell(1, 1, activation="relu", dtype=float, rng=0)
    cell.load_state_dict({"input_weight": [[2.0]], "hidden_weight": [[3.0]], "bias": [1.0]})
    assert cell([[1.0]], [[1.0]]).item() == 6.0
    assert cell([[-3.0]], [[1.0]]).item() == 0.0
    layer = RNN(1, 1, activation=np.cos, rng=0, dtype=float)
    layer.cells[0].load_state_dict({"input_weight": [[1.0]], "hidden_weight": [[0.0]], "bias": [0.0]})
    np.testing.assert_allclose(layer([[[0.5], [1.5]]])[0].data.ravel(), np.cos([0.5, 1.5]), rtol=1e-15)


def test_repr_names_what_was_chosen():
    text = repr(RNN(1, 8, layers=2, activation="relu", returns="last"))
    assert text.startswith("RNN(1, 8, activation='relu', layers=2, returns='last',")
    assert "(cells.0): RNNCell(1, 8, activation='relu')" in text
    assert "LSTMCell(3, 4)" in repr(LSTM(3, 4))


def test_one_weight_node_serves_every_step():
    layer = LSTM(2, 3, rng=0)
    outputs, _ = layer(wave(1, 1, 6, 2))
    graph = Graph.of(outputs)
    weight = layer.cells[0].hidden_weight
    assert sum(node is weight for node in graph.nodes) == 1
    assert sum(parent is weight for node in graph.nodes for parent in node.parents) == 6


@pytest.mark.parametrize(
    ("x", "options", "kind", "words"),
    [
        (
            np.zeros((4, 3)),
            {},
            ValueError,
            r"RNN wanted x of shape \(batch, time, 3\).* got \(4, 3\). One sequence alone",
        ),
        (np.zeros((1, 2, 4, 3)), {}, ValueError, r"got \(1, 2, 4, 3\)"),
        (np.zeros((2, 4, 5)), {}, ValueError, r"\(batch, time, 3\)"),
        (np.zeros((2, 0, 3)), {}, ValueError, "at least one step"),
        (np.array([[["a"]]]), {}, TypeError, "array of real numbers"),
        (Value(np.zeros((2, 4, 3))), {}, TypeError, "parameters of float32, and its input is a Value .* of float64"),
        (np.zeros((2, 4, 3)), {"mask": np.ones((2, 4))}, TypeError, r"booleans.* got float64: mask.astype\(bool\)"),
        (np.zeros((2, 4, 3)), {"mask": np.ones((4, 2), bool)}, ValueError, r"\(batch, time\), \(2, 4\), got \(4, 2\)"),
        (np.zeros((2, 4, 3)), {"mask": np.ones((2, 4, 1), bool)}, ValueError, r"got \(2, 4, 1\)"),
        (np.zeros((2, 4, 3)), {"lengths": [4, 0]}, ValueError, "lengths from 1 to 4, the steps in x, got 0 to 4"),
        (np.zeros((2, 4, 3)), {"lengths": [4, 5]}, ValueError, "got 4 to 5"),
        (
            np.zeros((2, 4, 3)),
            {"lengths": [4]},
            ValueError,
            r"one length for each sequence, of shape \(2,\), got \(1,\)",
        ),
        (np.zeros((2, 4, 3)), {"lengths": [4.0, 2.0]}, TypeError, "lengths as integers, got float64"),
        (
            np.zeros((2, 4, 3)),
            {"lengths": [4, 2], "mask": np.ones((2, 4), bool)},
            ValueError,
            "mask or lengths, got both",
        ),
        (np.zeros((2, 4, 3)), {"state": np.zeros((2, 5))}, ValueError, r"state of shape \(1, 2, 5\) .*got \(2, 5\)"),
        (np.zeros((2, 4, 3)), {"state": Value(np.zeros((1, 2, 5)))}, TypeError, "float64"),
    ],
)
def test_bad_inputs(x, options, kind, words):
    with pytest.raises(kind, match=words):
        RNN(3, 5, rng=0)(x, **options)


def test_bad_states_of_an_lstm():
    layer, x = LSTM(3, 5, rng=0), np.zeros((2, 4, 3))
    with pytest.raises(TypeError, match=r"LSTMCell wanted its state as a pair \(h, c\).* got ndarray"):
        layer(x, np.zeros((1, 2, 5)))
    with pytest.raises(ValueError, match=r"wanted a state of shape \(1, 2, 5\)"):
        layer(x, (np.zeros((1, 2, 5)), np.zeros((1, 2, 4))))


def test_bad_inputs_of_cells():
    with pytest.raises(
        ValueError, match=r"GRUCell wanted x of shape \(batch, 3\), the input of one step, got \(2, 4, 3\)"
    ):
        GRUCell(3, 5)(np.zeros((2, 4, 3)))
    with pytest.raises(ValueError, match=r"wanted a state of shape \(2, 5\) \(batch, hidden_features\), got \(5,\)"):
        GRUCell(3, 5)(np.zeros((2, 3)), np.zeros(5))
    with pytest.raises(NotImplementedError, match="Cell has no step"):
        Cell(3, 5)(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "words"),
    [
        ((0, 4), {}, ValueError, "in_features of at least 1"),
        ((3, 4.0), {}, TypeError, "hidden_features as an integer"),
        ((3, 4), {"layers": 0}, ValueError, "layers of at least 1"),
        ((3, 4), {"returns": "state"}, ValueError, "returns='all' or 'outputs' or 'last', got 'state'"),
        ((3, 4), {"dropout": 0.5}, ValueError, "layers=2 or more"),
        ((3, 4), {"dropout": 1.5, "layers": 2}, ValueError, "1.5"),
        ((3, 4), {"dtype": int}, TypeError, "floating point"),
        ((3, 4), {"init": "he"}, ValueError, "there is no initializer 'he'"),
        ((3, 4), {"activation": "tan"}, ValueError, "there is no activation 'tan'"),
    ],
)
def test_bad_settings(arguments, options, kind, words):
    with pytest.raises(kind, match=words):
        RNN(*arguments, **options)
