"""Languages are told apart by their letters, in sentences that were never seen."""

import numpy as np

from examples import text_classification as text


def test_coverage_text_input(capsys):
    result = text.main()
    assert result["train_accuracy"] > 0.95
    assert result["test_accuracy"] >= 0.75  # a guess is right in a quarter
    assert capsys.readouterr().out.splitlines()[-1].startswith("accuracy")


def test_letters_alone_do_not_give_a_language_away():
    x, labels, meaning = text.sentences()
    assert x.shape == (96, text.LENGTH) and np.bincount(labels).tolist() == [24] * 4
    assert np.bincount(meaning).tolist() == [4] * 24
    for k in range(4):
        assert len(np.unique(x[labels == k])) > 20
    assert np.array_equal(text.encode("Äb"), text.encode("ab"))
