"""Every system and technique of the tutorials: the tests that prove it, and the place where a learner meets it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHAPTERS = {path.name[:2]: path for path in (ROOT / "examples" / "notebooks").glob("*.ipynb")}

# system: beginnings of the names of its tests behind "test_coverage_"; notebooks by their number, examples by name
ROWS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "biological neuron": (("biological_neuron",), ("01",)),
    "perceptron, surfing example": (("perceptron_surfing_example",), ("01",)),
    "perceptron learning rule": (("perceptron_learning_rule",), ("01",)),
    "sigmoid neuron": (("sigmoid_neuron", "sigmoid_moves_a_little"), ("01",)),
    "threshold versus bias": (("threshold_versus_bias",), ("01",)),
    "neuron as linear regression": (("neuron_as_linear_regression", "linear_layers_alone"), ("05", "06")),
    "logistic regression": (("logistic_regression",), ("03",)),
    "computational graph": (("computational_graph",), ("04",)),
    "forward propagation": (("forward_propagation",), ("06",)),
    "backpropagation": (("backpropagation",), ("04",)),
    "shallow network": (("shallow_network",), ("06",)),
    "deep network with 5 hidden layers": (("deep_network_with_5_hidden_layers",), ("07",)),
    "initialization": (("initialization",), ("07",)),
    "identical activation functions": (("identical_activation_functions",), ("06",)),
    "ReLU, softplus, sigmoid": (("relu_softplus", "the_slope_of_softplus"), ("06",)),
    "no activation in the output layer": (("no_activation_in_the_output_layer",), ("03", "06")),
    "argmax versus softmax": (("argmax_versus_softmax", "backward_through_argmax", "predict_equals_argmax"), ("08",)),
    "sum of squared residuals, MSE": (("sum_of_squared_residuals",), ("05",)),
    "cross entropy": (("cross_entropy",), ("08",)),
    "a really bad prediction": (("a_really_bad_prediction",), ("03", "08")),
    "gradient descent rule": (("gradient_descent_rule",), ("05",)),
    "its limits": (("gradient_descent_limits",), ("05",)),
    "two derivatives make a gradient": (("two_derivatives_make_a_gradient",), ("05",)),
    "learning rate that starts large and shrinks": (("learning_rate_that_starts_large",), ("05",)),
    "sensitivity to the rate": (("sensitivity_to_the_rate",), ("05",)),
    "stochastic gradient descent, mini-batch": (("stochastic_gradient_descent", "mini_batch", "mean_of_mini"), ("05",)),
    "loss versus cost": (("loss_versus_cost",), ("03", "08")),
    "feedforward, MLP of sigmoid neurons": (("feedforward_mlp_of_sigmoid_neurons",), ("06",)),
    "flattening a 6x6 image": (("flattening_a_6x6_image",), ("09",)),
    "100x100 image": (("weights_of_a_hidden_node_for_a_100x100_image",), ("09",)),
    "convolution": (("convolution",), ("09",)),
    "activation on the feature map": (("activation_on_the_feature_map",), ("09",)),
    "max pooling, average pooling": (("max_pooling", "the_gradient_goes_to_the_maximum"), ("09",)),
    "CNN classifies X and O": (("cnn_classifies_6x6", "images_of_x_and_o"), ("09",)),
    "tolerates a shift": (("tolerates_a_shift",), ("09",)),
    "uses correlated neighbor pixels": (("uses_correlated_neighbor_pixels", "a_dense_network_does_not_know"), ("09",)),
    "recurrent network": (("recurrent_network",), ("10",)),
    "sales or stock forecasting": (("forecasting", "sales_forecast"), ("10", "sales_forecast")),
    "image, speech, text, sound": (
        ("cats_versus_dogs_image_input", "speech_input", "text_input", "sound_input"),
        ("cats_and_dogs", "speech", "text_classification", "sound"),
    ),
    "classify and cluster": (("accuracy_and_cost", "clustering"), ("08", "clustering")),
    "cats versus dogs": (("cats_versus_dogs",), ("cats_and_dogs",)),
    "knowing your data": (("knowing_your_data",), ("02",)),
    "hyperparameter optimization": (("hyperparameter_search",), ("hyperparameters",)),
    "accuracy and cost evaluation": (("accuracy_and_cost_evaluation",), ("02", "08")),
    "tensors": (("tensors_are_fast", "tensors_run_on_another_engine"), ("04", "digits")),
    "from scratch": (("from_scratch",), ("11", "from_scratch")),
}


def names_of_tests() -> list[str]:
    """Return what stands behind "test_coverage_" in the names of the tests."""
    found = []
    for folder in ("coverage", "examples"):
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found += [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name.removeprefix("test_coverage_") for name in found if name.startswith("test_coverage_")]


TESTS = names_of_tests()


@pytest.mark.parametrize("row", ROWS)
def test_every_system_has_its_tests_and_its_place(row):
    tests, places = ROWS[row]
    for beginning in tests:
        assert any(name.startswith(beginning) for name in TESTS), beginning
    for place in places:
        assert place in CHAPTERS or (ROOT / "examples" / f"{place}.py").is_file(), place


def test_every_test_belongs_to_a_system():
    beginnings = tuple(beginning for tests, _ in ROWS.values() for beginning in tests)
    assert [name for name in TESTS if not name.startswith(beginnings)] == []
    assert len(ROWS) == 46
