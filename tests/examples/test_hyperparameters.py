"""Searches over hyperparameters find good ones, and the same ones again."""

from examples import hyperparameters


def test_coverage_hyperparameter_search(capsys):
    result = hyperparameters.main()
    assert hyperparameters.main() == result
    assert result["grid_best"]["learning_rate"] == 0.01
    assert result["grid_worst_score"] < 0.6 < 0.93 < result["grid_score"]
    assert min(result["random_score"], result["grid_test"], result["random_test"]) > 0.9
    assert capsys.readouterr().out.splitlines()[-1].startswith("on wines that no search has seen")
