"""Sound: which instrument plays? The same tones, heard as raw samples and as a spectrum.

Three instruments are waves of one shape each: a flute (sine), a clarinet (square), a violin (sawtooth). Pitch, loudness
and the moment at which listening begins are random, and there is noise. Dense neurons on raw samples look for a wave
at a certain moment, and it never comes twice. A spectrum says how much of each frequency there is, whenever it began.
"""

from __future__ import annotations

import numpy as np

from autograd_nn import nn, optim
from autograd_nn.training import confusion_matrix, evaluate, fit, predict

INSTRUMENTS = ("flute", "clarinet", "violin")
RATE = 8000  # samples in a second
SAMPLES = 256
TRAINING, TESTS = 1500, 300


def tones(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return n tones, (n, 256), and which instrument plays each, (n,)."""
    labels = np.arange(n) % len(INSTRUMENTS)
    frequency = rng.uniform(150, 600, (n, 1))
    turns = frequency * np.arange(SAMPLES) / RATE + rng.uniform(0, 1, (n, 1))  # how often the wave has come round
    sine = np.sin(2 * np.pi * turns)
    waves = np.select([labels[:, None] == 0, labels[:, None] == 1], [sine, np.sign(sine)], 2 * (turns % 1) - 1)
    loudness = rng.uniform(0.5, 1.5, (n, 1)) / waves.std(axis=1, keepdims=True)
    return (loudness * waves + 0.2 * rng.standard_normal((n, SAMPLES))).astype(np.float32), labels


def spectrum(x: np.ndarray) -> np.ndarray:
    """Return how loud each frequency is, on the scale of decibels: (n, 256) → (n, 129)."""
    windowed = x * np.hanning(SAMPLES)  # fade in and out, so that the cut does not sound
    return np.log(np.abs(np.fft.rfft(windowed)) + 0.1).astype(np.float32)


def learn(train: tuple[np.ndarray, np.ndarray], seed: int) -> nn.Module:
    """Return a network with one hidden layer, trained."""
    x, labels = train
    model = nn.MLP([x.shape[1], 64, len(INSTRUMENTS)], rng=seed)
    optimizer = optim.AdamW(model.parameters(), learning_rate=0.003, weight_decay=0.1)
    fit(model, (x, labels), "cross_entropy", optimizer, epochs=40, batch_size=32, seed=seed, progress=False)
    return model


def main(seed: int = 0) -> dict[str, float]:
    """Train on some tones, and listen to others."""
    rng = np.random.default_rng(seed)
    (x, y), (x_test, y_test) = tones(TRAINING, rng), tones(TESTS, rng)
    result = {}
    for name, heard in (("samples", lambda x: x), ("spectrum", spectrum)):
        model = learn((heard(x), y), seed)
        for part, pair in (("train", (heard(x), y)), ("test", (heard(x_test), y_test))):
            result[f"{part}_{name}"] = evaluate(model, pair, metrics="accuracy")["accuracy"]
    mistakes = confusion_matrix(predict(model, spectrum(x_test)), y_test)
    width = max(map(len, INSTRUMENTS)) + 2
    print("played \\ heard".ljust(16) + "".join(name.rjust(width) for name in INSTRUMENTS))
    for name, row in zip(INSTRUMENTS, mistakes, strict=True):
        print(name.ljust(16) + "".join(str(count).rjust(width) for count in row))
    print(
        f"raw samples: accuracy {result['train_samples']:.3f} in training, {result['test_samples']:.3f} on new tones; "
        f"spectra: {result['train_spectrum']:.3f} and {result['test_spectrum']:.3f}"
    )
    return result


if __name__ == "__main__":
    main()
