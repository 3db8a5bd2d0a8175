"""Instruments are told apart by their spectra, and by raw samples only as far as these are known by heart."""

import numpy as np

from examples import sound


def test_coverage_sound_input(capsys):
    result = sound.main()
    assert result["train_samples"] == 1.0 and result["test_samples"] < 0.8
    assert result["test_spectrum"] > 0.92
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-3:] == list(sound.INSTRUMENTS)
    assert sum(int(count) for line in lines[1:4] for count in line.split()[1:]) == sound.TESTS


def test_a_spectrum_has_its_peak_at_the_pitch_whenever_the_tone_began():
    time = np.arange(sound.SAMPLES) / sound.RATE
    for begin in (0.0, 0.3):
        heard = sound.spectrum(np.sin(2 * np.pi * (500 * time + begin))[None])
        assert heard.argmax() == round(500 * sound.SAMPLES / sound.RATE)
