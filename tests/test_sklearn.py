"""The estimators: scikit-learn's own checks, and what users do with them."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine, make_classification
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from autograd_nn import nn
from autograd_nn.sklearn import NeuralClassifier, NeuralRegressor

IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


@pytest.mark.parametrize("estimator", [NeuralClassifier(), NeuralRegressor()], ids=lambda e: type(e).__name__)
def test_scikit_learns_checks_pass_in_full(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the checks themselves: skipped without SCIPY_ARRAY_API
        results = check_estimator(estimator, on_fail=None)
    assert len(results) == len(list(estimator_checks_generator(estimator)))
    assert len(results) >= 50
    assert [(r["check_name"], str(r["exception"])) for r in results if r["status"] in ("failed", "xfail")] == []
    assert {r["check_name"] for r in results if r["status"] != "passed"} <= {"check_array_api_input"}


def test_classifier_on_real_data():
    for load, floor in ((load_iris, 0.93), (load_wine, 0.95), (load_breast_cancer, 0.95)):
        X, y = load(return_X_y=True)
        assert cross_val_score(NeuralClassifier(random_state=0), X, y, cv=5).mean() > floor


def test_regressor_on_real_data():
    assert cross_val_score(NeuralRegressor(random_state=0), *DIABETES, cv=5).mean() > 0.4


def test_string_classes_and_probabilities():
    X, y = IRIS
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = NeuralClassifier(random_state=0, max_epochs=50).fit(X, names)
    p = model.predict_proba(X)
    assert p.shape == (150, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(X))
    assert model.score(X, names) > 0.9
    assert len(model.loss_curve_) == model.n_iter_ == 50
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_same_seed_same_model_and_clone_and_pickle():
    X, y = IRIS
    a = NeuralClassifier(random_state=3, max_epochs=20).fit(X, y)
    b = clone(a).fit(X, y)
    c = pickle.loads(pickle.dumps(a))
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))
    np.testing.assert_array_equal(a.predict_proba(X), c.predict_proba(X))
    c.warm_start = True
    c.fit(X, y)
    assert c.n_iter_ == 40
    assert a.n_iter_ == 20


@pytest.mark.parametrize("estimator", [NeuralClassifier, NeuralRegressor])
def test_weights_are_repetitions(estimator):
    X, y = IRIS if estimator is NeuralClassifier else DIABETES
    weight = np.random.default_rng(0).integers(0, 4, len(X))
    weighted = estimator(random_state=0).fit(X, y, sample_weight=weight)
    repeated = estimator(random_state=0).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    predict = "predict_proba" if estimator is NeuralClassifier else "predict"
    np.testing.assert_allclose(getattr(weighted, predict)(X), getattr(repeated, predict)(X), rtol=1e-6, atol=1e-9)


def test_class_weight_moves_the_boundary():
    X, y = make_classification(300, weights=[0.9], flip_y=0.1, random_state=0)
    plain = NeuralClassifier((8,), random_state=0, max_epochs=50).fit(X, y)
    balanced = NeuralClassifier((8,), random_state=0, max_epochs=50, class_weight="balanced").fit(X, y)
    by_hand = NeuralClassifier((8,), random_state=0, max_epochs=50).fit(
        X, y, sample_weight=np.where(y == 1, len(y) / 2 / (y == 1).sum(), len(y) / 2 / (y == 0).sum())
    )
    assert balanced.predict(X).sum() > plain.predict(X).sum()
    np.testing.assert_allclose(balanced.predict_proba(X), by_hand.predict_proba(X), rtol=1e-9)


def test_partial_fit_learns_piece_by_piece():
    X, y = IRIS
    order = np.random.default_rng(0).permutation(150)
    model = NeuralClassifier(random_state=0)
    with pytest.raises(ValueError, match="wanted classes=, all of them, in the first call"):
        model.partial_fit(X, y)
    for _ in range(60):
        for rows in np.array_split(order, 5):
            model.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    assert model.n_iter_ == 300
    assert model.score(X, y) > 0.93
    with pytest.raises(ValueError, match="wanted the classes of the first call"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"labels \[7\] are not among the classes \[0, 1, 2\]"):
        model.partial_fit(X, np.full(150, 7))


def long(estimator, X, y, **options):
    """Fit with and without compiling; so many epochs that "auto" compiles. Return the compiled one."""
    fitted = []
    for compile in (False, "auto"):
        model = clone(estimator).set_params(compile=compile, max_epochs=250, patience=250, random_state=0)
        fitted.append(model.fit(X, y, **options))
    eager, compiled = fitted
    assert eager.history_.environment["backend"] == "numpy"
    assert compiled.history_.environment["backend"] == "compiled: numpy"
    assert compiled.loss_curve_ == eager.loss_curve_ and compiled.n_iter_ == eager.n_iter_
    predict = "predict_proba" if hasattr(eager, "predict_proba") else "predict"
    assert np.array_equal(getattr(eager, predict)(X), getattr(compiled, predict)(X))
    return compiled


def test_compiled_fits_are_the_same_bit_for_bit():
    X, y = IRIS
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 150)
    long(NeuralClassifier((8,)), X, y)
    long(NeuralClassifier((8,), class_weight="balanced", dtype="float32"), X[:130], y[:130], sample_weight=weight[:130])
    stopped = long(NeuralClassifier((8,), early_stopping=True, batch_size=50, learning_rate=0.001), X, y)
    assert "validation_loss" in stopped.history_[0]
    long(NeuralRegressor((8,)), *DIABETES)


def test_compile_is_a_parameter_like_the_others():
    X, y = IRIS
    model = NeuralClassifier((4,), compile=True, max_epochs=5, random_state=0)
    assert model.get_params()["compile"] is True and clone(model).compile is True
    assert NeuralClassifier().compile == NeuralRegressor().compile == "auto"
    assert model.fit(X, y).history_.environment["backend"] == "compiled: numpy"
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    short = NeuralClassifier((4,), max_epochs=5, random_state=0).fit(X, y)
    assert short.history_.environment["backend"] == "numpy"
    assert np.array_equal(short.predict_proba(X), model.predict_proba(X))
    assert model.set_params(compile=False).fit(X, y).history_.environment["backend"] == "numpy"

    class Mine(nn.MLP):
        pass

    own = NeuralClassifier(module=Mine([4, 4, 3], dtype=float, rng=0), max_epochs=250, patience=250, random_state=0)
    assert own.fit(X, y).history_.environment["backend"] == "numpy"
    with pytest.raises(ValueError, match="compile wanted True, False or one of"):
        NeuralClassifier(compile="fast").fit(X, y)


@pytest.mark.native
def test_machine_code_fits_the_same_to_rounding():
    pytest.importorskip("numba")
    pytest.importorskip("scipy")
    X, y = IRIS
    eager, native = (
        NeuralClassifier((8,), compile=compile, max_epochs=30, batch_size=64, random_state=0).fit(X, y)
        for compile in (False, True)
    )
    assert native.history_.environment["backend"] == "compiled: native"
    np.testing.assert_allclose(native.loss_curve_, eager.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(native.predict_proba(X), eager.predict_proba(X), rtol=1e-7)


def test_several_outputs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    Y = np.stack([X[:, 0] * 100 + 5, X[:, 1] - X[:, 2]], axis=1)
    model = NeuralRegressor(random_state=0, weight_decay=0.0).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.score(X, Y) > 0.98
    with pytest.raises(ValueError, match=r"y wanted 2 outputs for each row, got shape \(200,\)"):
        model.partial_fit(X, Y[:, 0])


def test_early_stopping_and_validation_data():
    X, y = IRIS
    model = NeuralClassifier(random_state=0, early_stopping=True, patience=5).fit(X, y)
    assert "validation_loss" in model.history_[0]
    assert model.history_.stopped.startswith("early stopping: validation_loss")
    given = NeuralClassifier(random_state=0, max_epochs=5).fit(X[::2], y[::2], validation_data=(X[1::2], y[1::2]))
    assert "validation_loss" in given.history_[0]
    with pytest.raises(ValueError, match="X has 3 features"):
        NeuralClassifier().fit(X, y, validation_data=(X[:, :3], y))


def test_own_modules():
    X, y = IRIS
    model = nn.Sequential(nn.Linear(4, 32), np.tanh, nn.Linear(32, 3)).initialize(0).astype(float)
    before = model.state_dict()
    fitted = NeuralClassifier(module=model, random_state=0, max_epochs=100).fit(X, y)
    assert fitted.score(X, y) > 0.9
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])

    def make(features, outputs, rng):
        return nn.MLP([features, 5, 5, outputs], activation="tanh", dtype=float, rng=rng)

    assert NeuralClassifier(module=make, random_state=0, max_epochs=100).fit(X, y).score(X, y) > 0.9
    for module in (3, lambda features, outputs, rng: None):
        with pytest.raises(TypeError, match=r"module wanted an nn\.Module, or a function"):
            NeuralClassifier(module=module).fit(X, y)
    with pytest.raises(ValueError, match=r"outputs of shape \(150, 3\), got \(150, 4\)|labels|cross_entropy"):
        NeuralClassifier(module=nn.Linear(4, 4, dtype=float), max_epochs=1).fit(X, y).predict(X)


def test_pipelines_and_grid_searches():
    X, y = IRIS
    pipeline = make_pipeline(PolynomialFeatures(2, include_bias=False), NeuralClassifier(random_state=0, max_epochs=30))
    search = GridSearchCV(pipeline, {"neuralclassifier__hidden_layer_sizes": [(4,), (16,)]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.9
    again = clone(search).fit(X, y)
    assert again.best_params_ == search.best_params_
    assert again.best_score_ == search.best_score_


def test_single_precision():
    X, y = IRIS
    model = NeuralClassifier(random_state=0, dtype="float32", max_epochs=100).fit(X, y)
    assert {p.dtype for p in model.module_.parameters()} == {np.dtype("float32")}
    assert model.score(X, y) > 0.93


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"optimizer": "newton"}, ValueError, "optimizer wanted one of"),
        ({"max_epochs": -1}, ValueError, "epochs wanted a whole number"),
        ({"learning_rate": -0.1}, ValueError, "learning_rate"),
        ({"activation": "relux"}, ValueError, "no activation 'relux'"),
        ({"hidden_layer_sizes": (0,)}, ValueError, "at least 1"),
        ({"learning_rate": 1e200, "optimizer": "sgd", "weight_decay": 0.0}, ValueError, "not finite"),
    ],
)
def test_bad_parameters_are_refused_when_fitting(options, kind, words):
    with pytest.raises(kind, match=words):
        NeuralClassifier(**options).fit(*IRIS)


def test_bad_data():
    X, y = IRIS
    with pytest.raises(NotFittedError):
        NeuralRegressor().predict(X)
    with pytest.raises(ValueError, match="NaN"):
        NeuralClassifier().fit(np.where(X > 7, np.nan, X), y)
    with pytest.raises(ValueError, match="Negative"):
        NeuralClassifier().fit(X, y, sample_weight=-np.ones(150))
    with pytest.raises(ValueError, match="at least one non-zero"):
        NeuralClassifier().fit(X, y, sample_weight=np.zeros(150))


def test_without_scikit_learn():
    code = "import sys; sys.modules['sklearn'] = None\nimport autograd_nn.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "autograd-nn[sklearn]"' in done.stderr
