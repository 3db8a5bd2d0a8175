"""Networks with the manners of scikit-learn: they clone, pickle, and sit in pipelines and grid searches.

Needs scikit-learn: the extra ``sklearn``. The estimators follow its developers' guide and pass its `check_estimator`.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:  # pragma: no cover  (the tests need scikit-learn)
    raise ImportError(
        'autograd_nn.sklearn needs scikit-learn 1.6 or newer: pip install "autograd-nn[sklearn]"'
    ) from error

from .functions import softmax
from .losses import cross_entropy
from .nn import MLP, Module
from .optim import OPTIMIZERS
from .training import EarlyStopping, fit, predict

__all__ = ["NeuralClassifier", "NeuralRegressor"]

FULL_BATCH = 1000
"""Up to so many rows ``batch_size="auto"`` takes all of them in each step."""
MINI_BATCH = 200

Maker = Callable[[int, int, np.random.Generator], Module]


class Network(BaseEstimator):
    """What classifier and regressor share; its parameters are described there."""

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (100,),
        *,
        activation: Any = "relu",
        module: Module | Maker | None = None,
        loss: Any = None,
        optimizer: str = "adamw",
        learning_rate: Any = 0.02,
        weight_decay: float = 1.5,
        batch_size: int | str | None = "auto",
        max_epochs: int = 100,
        tol: float = 1e-4,
        patience: int = 20,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        standardize: bool = True,
        warm_start: bool = False,
        callbacks: Any = (),
        dtype: Any = "float64",
        compile: bool | str = "auto",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.module = module
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.tol = tol
        self.patience = patience
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.standardize = standardize
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.dtype = dtype
        self.compile = compile
        self.random_state = random_state
        self.verbose = verbose

    n_features_in_: int  # set by validate_data

    # what the two do differently

    _checks: dict[str, Any] = {}  # of validate_data

    def _loss_of_rows(self) -> Any:
        """Return the loss that is trained."""
        raise NotImplementedError

    def _learn(self, y: np.ndarray) -> None:
        """Learn from the targets what they are."""
        raise NotImplementedError

    def _targets(self, y: np.ndarray) -> np.ndarray:
        """Return targets as the loss takes them."""
        raise NotImplementedError

    def _outputs(self) -> int:
        """Return how many numbers the network gives for a row."""
        raise NotImplementedError

    # training

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Self:
        """Train on rows X and targets y.

        Args:
            X: (rows, features).
            y: (rows,).
            sample_weight: (rows,), how much each row counts; in steps over all rows a weight of 2 is the row twice.
            validation_data: (X, y) of your own, measured after each epoch; what `early_stopping` looks at.

        Returns:
            The estimator itself.

        Raises:
            ValueError: if data or parameters do not fit.
        """
        resumed = self.warm_start and hasattr(self, "module_")
        X, y = validate_data(self, X, y, dtype=self._float(), reset=not resumed, **self._checks)
        if not resumed:
            self._learn(y)
        weight = self._row_weights(X, y, sample_weight)
        if validation_data is not None:
            held = tuple(validate_data(self, *validation_data, dtype=self._float(), reset=False, **self._checks))
        elif self.early_stopping:
            X, y, weight, held = self._hold_out(X, y, weight)
        else:
            held = None
        if not resumed:
            self._begin(X, y, weight)
        self._train(X, y, weight, held, self.max_epochs)
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, learn: Callable[[np.ndarray], None]) -> Self:
        first = not hasattr(self, "module_")
        X, y = validate_data(self, X, y, dtype=self._float(), reset=first, **self._checks)
        if first:
            learn(y)
        weight = self._row_weights(X, y, sample_weight)
        if first:
            self._begin(X, y, weight)
        self._train(X, y, weight, None, 1)
        return self

    def _begin(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Fit the scaling, make network and optimizer."""
        rng = np.random.default_rng(self._draw())
        self.location_, self.scale_ = 0.0, 1.0
        if self.standardize:
            self.location_, deviation = scaling(X, weight)
            self.scale_ = common_unit(deviation)
        self.module_ = self._network(rng)
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer wanted one of {', '.join(OPTIMIZERS)}, got {self.optimizer!r}.")
        make: Any = OPTIMIZERS[self.optimizer]
        parameters = self.module_.parameters()
        self.optimizer_ = make(parameters, learning_rate=self.learning_rate, weight_decay=self.weight_decay)
        self.n_iter_, self.loss_curve_, self._seed = 0, [], int(rng.integers(2**31))

    def _network(self, rng: np.random.Generator) -> Module:
        """Return the network to be trained."""
        features, outputs = self.n_features_in_, self._outputs()
        if self.module is None:
            hidden = np.ravel(self.hidden_layer_sizes).tolist()
            return MLP([features, *hidden, outputs], activation=self.activation, dtype=self._float(), rng=rng)
        if isinstance(self.module, Module):
            return copy.deepcopy(self.module)
        made = self.module(features, outputs, rng) if callable(self.module) else None
        if not isinstance(made, Module):
            raise TypeError(
                "module wanted an nn.Module, or a function (in_features, out_features, rng) that makes one, got "
                f"{self.module!r:.60}."
            )
        return made

    def _train(self, X: np.ndarray, y: np.ndarray, weight: Any, held: Any, epochs: int) -> None:
        batch_size: Any = self.batch_size
        if batch_size == "auto":
            batch_size = None if len(X) <= FULL_BATCH else MINI_BATCH
        stop = EarlyStopping(
            "validation_loss" if self.early_stopping and held else "loss",
            patience=self.patience,
            minimum_change=self.tol,
            restore_best=bool(self.early_stopping and held),
        )
        data = (self._scaled(X), self._targets(y))
        self.history_ = fit(
            self.module_,
            data if weight is None else (*data, weight),
            self._loss_of_rows(),
            self.optimizer_,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=batch_size is not None,
            validation=None if held is None else (self._scaled(held[0]), self._targets(held[1])),
            callbacks=[*self.callbacks, *([stop] if epochs > 1 else [])],
            seed=self._seed + self.n_iter_,
            progress=self.verbose,
            compile=self.compile,
        )
        if self.history_.stopped.startswith("not finite"):
            raise ValueError(self.history_.stopped)
        self.n_iter_ += len(self.history_)
        self.loss_curve_ = [*self.loss_curve_, *[row["loss"] for row in self.history_]]

    def _hold_out(self, X: Any, y: Any, weight: Any) -> tuple[Any, ...]:
        """Set a part of the rows aside for early stopping."""
        classes = y if isinstance(self, ClassifierMixin) else None
        kept, held = train_test_split(
            np.arange(len(X)), test_size=self.validation_fraction, random_state=self._draw(), stratify=classes
        )
        return X[kept], y[kept], None if weight is None else weight[kept], (X[held], y[held])

    # numbers

    def _float(self) -> np.dtype:
        return np.dtype(self.dtype)

    def _draw(self) -> int:
        """Return a seed from `random_state`."""
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _row_weights(self, X: np.ndarray, y: Any, sample_weight: Any) -> np.ndarray | None:
        if sample_weight is None:
            return None
        return _check_sample_weight(sample_weight, X, dtype=self._float(), ensure_non_negative=True)

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return ((X - self.location_) / self.scale_).astype(self._float(), copy=False)

    def _predicted(self, X: Any) -> np.ndarray:
        """Return the outputs of the network for rows: (rows, outputs)."""
        check_is_fitted(self, "module_")
        X = validate_data(self, X, dtype=self._float(), reset=False)
        y = predict(self.module_, self._scaled(X))
        wanted = (len(X), self._outputs())
        if y.shape != wanted:
            raise ValueError(f"module wanted to return outputs of shape {wanted}, got {y.shape}.")
        return y.astype(float)


def scaling(x: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of columns, with rows weighted; 1 instead of a deviation of 0."""
    mean = np.average(x, axis=0, weights=weight)
    deviation = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight))
    return mean, np.where(deviation > 10 * np.finfo(x.dtype).eps * np.abs(mean), deviation, 1.0)


def common_unit(deviation: np.ndarray) -> np.ndarray:
    """Return one deviation for all columns if theirs are within a factor of ten."""
    alike = deviation.max() <= 10 * deviation.min()
    return np.full_like(deviation, np.sqrt(np.mean(deviation**2))) if alike else deviation


class NeuralClassifier(ClassifierMixin, Network):
    """A neural network that classifies, as a scikit-learn estimator.

    Args:
        hidden_layer_sizes: units of the hidden layers.
        activation: of the hidden layers.
        module: a network of one's own, of which a copy is trained, or a function ``(in_features, out_features, rng)``
            that makes one; it returns one logit for each class.
        loss: by name or function; cross entropy if None.
        optimizer: its name.
        learning_rate: a number or a schedule of `autograd_nn.optim`.
        weight_decay: of the optimizer. The default suits AdamW, which subtracts ``learning_rate · weight_decay`` of the
            weights in each step: 3 %.
        batch_size: rows of a step; None for all; "auto" for all up to 1,000 rows, and 200 beyond.
        max_epochs: passes over the data, at most.
        tol: what the loss has to fall by to count as an improvement.
        patience: epochs without improvement after which training ends.
        early_stopping: look at the loss of held out rows, not of the training rows, and keep the best weights.
        validation_fraction: of the rows, held out for `early_stopping` if there is no `validation_data`.
        class_weight: weights by class, as a dict, or "balanced".
        label_smoothing: the share of certainty that the default loss takes from the labels (C. Szegedy et al.:
            Rethinking the Inception architecture, CVPR 2016, section 7). On few rows it gives better classes;
            probabilities stay away from 0 and 1.
        standardize: subtract the mean of the training data and divide by the standard deviation? Feature by feature;
            but features whose deviations are within a factor of ten are taken to have one unit, and are divided by
            one number, so that what hardly varies does not count as much as what does.
        warm_start: does `fit` go on with the network that is there?
        callbacks: of `autograd_nn.training.fit`.
        dtype: "float64" or "float32".
        compile: of `autograd_nn.training.fit`: each step as one compiled function. "auto" does so where `module` and
            `loss` are the library's own, and where it pays: from 200 steps on, with machine code from 20,000 on. True
            has machine code if Numba is installed, in any case: it takes seconds the first time, and is kept for the
            next fit with these shapes. False for none. Results are the same, with machine code to rounding.
        random_state: seed of weights, order and dropout.
        verbose: show progress?

    Attributes:
        classes_: the labels, sorted.
        module_: the trained network, of scaled features.
        history_: what `fit` returned.
        loss_curve_: training loss of each epoch.
        n_iter_: epochs trained.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> NeuralClassifier(random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (100,),
        *,
        activation: Any = "relu",
        module: Module | Maker | None = None,
        loss: Any = None,
        optimizer: str = "adamw",
        learning_rate: Any = 0.02,
        weight_decay: float = 1.5,
        batch_size: int | str | None = "auto",
        max_epochs: int = 100,
        tol: float = 1e-3,
        patience: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        class_weight: Any = None,
        label_smoothing: float = 0.1,
        standardize: bool = True,
        warm_start: bool = False,
        callbacks: Any = (),
        dtype: Any = "float64",
        compile: bool | str = "auto",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation=activation,
            module=module,
            loss=loss,
            optimizer=optimizer,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_epochs=max_epochs,
            tol=tol,
            patience=patience,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            standardize=standardize,
            warm_start=warm_start,
            callbacks=callbacks,
            dtype=dtype,
            compile=compile,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Take one pass over rows that are part of a larger set. The first rows decide how features are scaled.

        Args:
            X: (rows, features).
            y: (rows,).
            classes: all of them; needed in the first call.
            sample_weight: (rows,).

        Raises:
            ValueError: if data do not fit, or classes are missing or others than before.
        """
        if classes is not None and hasattr(self, "classes_") and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"partial_fit wanted the classes of the first call, {self.classes_}, got {classes}.")
        if classes is None and not hasattr(self, "module_"):
            raise ValueError("partial_fit wanted classes=, all of them, in the first call.")
        return self._partial_fit(X, y, sample_weight, lambda _: self._learn(np.asarray(classes)))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class: (rows, classes)."""
        return np.asarray(softmax(self._predicted(X), axis=1))

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row: (rows,)."""
        best = self._predicted(X).argmax(axis=1)
        return self.classes_[best]

    def _loss_of_rows(self) -> Any:
        return self.loss or functools.partial(cross_entropy, label_smoothing=self.label_smoothing)

    def _learn(self, y: np.ndarray) -> None:
        check_classification_targets(y)
        self.classes_ = np.unique(y)

    def _targets(self, y: np.ndarray) -> np.ndarray:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"labels {unknown.tolist()} are not among the classes {self.classes_.tolist()}.")
        return np.searchsorted(self.classes_, y)

    def _outputs(self) -> int:
        return len(self.classes_)

    def _row_weights(self, X: np.ndarray, y: Any, sample_weight: Any) -> np.ndarray | None:
        weight = super()._row_weights(X, y, sample_weight)
        if self.class_weight is None:
            return weight
        by_class = compute_sample_weight(self.class_weight, y).astype(self._float())
        return by_class if weight is None else by_class * weight


class NeuralRegressor(RegressorMixin, Network):
    """A neural network that predicts numbers, as a scikit-learn estimator.

    Args:
        hidden_layer_sizes: units of the hidden layers.
        activation: of the hidden layers.
        module: a network of one's own, of which a copy is trained, or a function ``(in_features, out_features, rng)``
            that makes one.
        loss: by name or function of standardized targets; mean squared error if None.
        optimizer: its name.
        learning_rate: a number or a schedule of `autograd_nn.optim`.
        weight_decay: of the optimizer. The default suits AdamW, which subtracts ``learning_rate · weight_decay`` of the
            weights in each step: 3 %.
        batch_size: rows of a step; None for all; "auto" for all up to 1,000 rows, and 200 beyond.
        max_epochs: passes over the data, at most.
        tol: what the loss has to fall by to count as an improvement.
        patience: epochs without improvement after which training ends.
        early_stopping: look at the loss of held out rows, not of the training rows, and keep the best weights.
        validation_fraction: of the rows, held out for `early_stopping` if there is no `validation_data`.
        standardize: subtract the mean of the training data and divide by the standard deviation? Feature by feature;
            but features whose deviations are within a factor of ten are taken to have one unit, and are divided by
            one number, so that what hardly varies does not count as much as what does.
            Targets are always standardized, and predictions are turned back.
        warm_start: does `fit` go on with the network that is there?
        callbacks: of `autograd_nn.training.fit`.
        dtype: "float64" or "float32".
        compile: of `autograd_nn.training.fit`: each step as one compiled function. "auto" does so where `module` and
            `loss` are the library's own, and where it pays: from 200 steps on, with machine code from 20,000 on. True
            has machine code if Numba is installed, in any case: it takes seconds the first time, and is kept for the
            next fit with these shapes. False for none. Results are the same, with machine code to rounding.
        random_state: seed of weights, order and dropout.
        verbose: show progress?

    Attributes:
        module_: the trained network, of scaled features, with standardized outputs.
        history_: what `fit` returned.
        loss_curve_: training loss of each epoch.
        n_iter_: epochs trained.

    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> NeuralRegressor(random_state=0).fit(X, y).score(X, y) > 0.45
    True
    """

    _checks = {"multi_output": True, "y_numeric": True}

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Take one pass over rows that are part of a larger set. The first rows decide how numbers are scaled.

        Args:
            X: (rows, features).
            y: (rows,) or (rows, outputs).
            sample_weight: (rows,).

        Raises:
            ValueError: if data do not fit.
        """
        return self._partial_fit(X, y, sample_weight, self._learn)

    def predict(self, X: Any) -> np.ndarray:
        """Return predictions, of the shape of the targets: (rows,) or (rows, outputs)."""
        y = self._predicted(X) * self.target_scale_ + self.target_location_
        return y[:, 0] if self._single else y

    def _loss_of_rows(self) -> Any:
        return self.loss or "mse"

    def _learn(self, y: np.ndarray) -> None:
        self._single, self._width = y.ndim == 1, 1 if y.ndim == 1 else y.shape[1]

    def _begin(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> None:
        self.target_location_, self.target_scale_ = scaling(self._columns(y), weight)
        super()._begin(X, y, weight)

    def _columns(self, y: np.ndarray) -> np.ndarray:
        if (1 if y.ndim == 1 else y.shape[1]) != self._width:
            raise ValueError(f"y wanted {self._width} outputs for each row, got shape {y.shape}.")
        return y.reshape(len(y), -1).astype(float)

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return ((self._columns(y) - self.target_location_) / self.target_scale_).astype(self._float())

    def _outputs(self) -> int:
        return self._width

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
