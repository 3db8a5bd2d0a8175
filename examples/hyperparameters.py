"""Hyperparameters: let the machine try widths, rates and weight decay, and tell by data that it did not learn from.

The estimators of `autograd_nn.sklearn` have scikit-learn's manners, so its searches work on them: on a grid, and at
random, which finds good rates with fewer trials when some settings hardly matter (Bergstra, Bengio, 2012). Everything
random has a seed: the same search finds the same.
"""

from __future__ import annotations

from scipy.stats import loguniform
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold, train_test_split

from autograd_nn.sklearn import NeuralClassifier

GRID = {"hidden_layer_sizes": [(4,), (32,)], "learning_rate": [0.0001, 0.01]}
RANDOM = {
    "hidden_layer_sizes": [(4,), (16,), (32,), (16, 16)],
    "learning_rate": loguniform(1e-4, 1e-1),
    "weight_decay": loguniform(1e-2, 1e1),
}


def main(seed: int = 0) -> dict[str, object]:
    """Search twice on three quarters of the wines, and judge the best networks on the last quarter, once."""
    x, y = load_wine(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)
    network = NeuralClassifier(max_epochs=50, random_state=seed)
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    searches = {
        "grid": GridSearchCV(network, GRID, cv=folds),
        "random": RandomizedSearchCV(network, RANDOM, n_iter=8, cv=folds, random_state=seed),
    }
    result: dict[str, object] = {}
    for name, search in searches.items():
        search.fit(x, y)
        scores = search.cv_results_["mean_test_score"]
        result[f"{name}_best"] = search.best_params_
        result[f"{name}_worst_score"] = float(scores.min())
        result[f"{name}_score"] = float(search.best_score_)
        result[f"{name}_test"] = float(search.score(x_test, y_test))
        settings = ", ".join(
            f"{key} {value:.2g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in search.best_params_.items()
        )
        print(
            f"{name}: {len(scores)} settings, accuracy from {scores.min():.3f} to {scores.max():.3f}; best: {settings}"
        )
    print(f"on wines that no search has seen: grid {result['grid_test']:.3f}, random {result['random_test']:.3f}")
    return result


if __name__ == "__main__":
    main()
