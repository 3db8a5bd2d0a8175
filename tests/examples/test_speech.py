"""Words of the same vowels in another order are told apart by a network that reads in order, and by no mean."""

import numpy as np

from examples import speech


def test_coverage_speech_input(capsys):
    result = speech.main()
    assert result["order"] >= 0.97
    assert 0.35 < result["mean"] < 0.65  # it knows which two vowels, and guesses which came first
    said, understood = capsys.readouterr().out.splitlines()[-1].removeprefix("said:").split("heard:")
    assert said.split() == understood.split() and len(said.split()) == 5


def test_a_vowel_is_loud_at_its_formants():
    hertz = speech.RATE / 2 / speech.BANDS  # the width of a band
    for vowel, formants in speech.FORMANTS.items():
        x = np.stack([speech.heard(speech.say(2 * vowel, np.random.default_rng(seed))) for seed in range(20)])
        loud = x.mean(axis=(0, 1))
        for formant in formants:
            band = int(1.05 * formant / hertz)
            assert loud[band - 1 : band + 2].max() > loud.mean() + 0.7, (vowel, formant)


def test_both_orders_sound_alike_on_average():
    def mean(word):
        return np.mean([speech.heard(speech.say(word, np.random.default_rng(seed))) for seed in range(40)], axis=(0, 1))

    assert np.abs(mean("ai") - mean("ia")).max() < 0.3 < np.abs(mean("ai") - mean("au")).max()
