"""Speech: which word is this? A voice says two vowels, and their order tells the words apart, so time matters.

Each vowel is a voice (a pitch with its overtones) that the mouth makes louder at two frequencies, its formants; they
glide from one vowel to the next. Voices differ in pitch, size of the mouth, speed and noise. The sound is cut into
frames of 25 ms, and what is heard of each is how loud 20 bands of frequencies are. A network that takes the mean over
all frames cannot know which vowel came first. One that reads frame after frame and remembers can.

Formants: G. Peterson, H. Barney: Control methods used in a study of the vowels, J. Acoust. Soc. Am. 24 (1952), men.
"""

from __future__ import annotations

import numpy as np

from autograd_nn import nn, optim
from autograd_nn.training import evaluate, fit, predict

FORMANTS = {"a": (730, 1090), "i": (270, 2290), "u": (300, 870)}  # Hz, of the vowels in father, heed, who'd
WORDS = ("ai", "ia", "au", "ua", "iu", "ui")
RATE = 8000  # samples in a second
FRAME, FRAMES, BANDS = 200, 16, 20
TRAINING, TESTS = 300, 180


def say(word: str, rng: np.random.Generator) -> np.ndarray:
    """Return 0.4 seconds of a voice that says a word."""
    time = np.arange(FRAME * FRAMES) / RATE
    pitch = rng.uniform(90, 220) * (1 + 0.05 * np.sin(2 * np.pi * rng.uniform(2, 5) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    change = 1 / (1 + np.exp(-(time - rng.uniform(0.14, 0.26)) / 0.02))  # from the first vowel to the second
    first, second = (np.array(FORMANTS[vowel]) * rng.uniform(0.95, 1.15) for vowel in word)
    sound = np.zeros(len(time))
    for overtone in range(1, 30):
        frequency = overtone * pitch
        loud = np.zeros(len(time))
        for start, end in zip(first, second, strict=True):
            loud += 1 / (1 + ((frequency - start - (end - start) * change) / 80) ** 2)  # a resonance
        sound += np.where(frequency < RATE / 2, loud, 0) * np.sin(overtone * phase)
    return sound / sound.std() + 0.1 * rng.standard_normal(len(time))


def heard(sound: np.ndarray) -> np.ndarray:
    """Return how loud each band of frequencies is in each frame, as logarithms: (16, 20)."""
    spectrum = np.abs(np.fft.rfft(sound.reshape(FRAMES, FRAME) * np.hanning(FRAME)))[:, 1:]
    return np.log(spectrum.reshape(FRAMES, BANDS, -1).mean(axis=2) + 1e-3)


def recordings(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return what is heard of n words, (n, 16, 20), and which word each is, (n,)."""
    labels = np.arange(n) % len(WORDS)
    return np.stack([heard(say(WORDS[label], rng)) for label in labels]).astype(np.float32), labels


def main(seed: int = 0) -> dict[str, float]:
    """Train a network on means over time, and one that reads in order; return their accuracies."""
    rng = np.random.default_rng(seed)
    (x, y), (x_test, y_test) = recordings(TRAINING, rng), recordings(TESTS, rng)
    mean, scale = x.mean(), x.std()
    x, x_test = (x - mean) / scale, (x_test - mean) / scale
    networks = {
        "mean": (nn.MLP([BANDS, 32, len(WORDS)], rng=seed), lambda x: x.mean(axis=1)),
        "order": (
            nn.Sequential(nn.GRU(BANDS, 16, returns="last"), nn.Linear(16, len(WORDS))).initialize(seed),
            lambda x: x,
        ),
    }
    result = {}
    for name, (model, ears) in networks.items():
        optimizer = optim.Adam(model.parameters(), 0.01)
        fit(model, (ears(x), y), "cross_entropy", optimizer, epochs=30, progress=False, seed=seed)
        result[name] = evaluate(model, (ears(x_test), y_test), metrics="accuracy")["accuracy"]
        print(f"{name:5}  {result[name]:.3f} of the words in {TESTS} new recordings understood")
    model, _ = networks["order"]
    new = rng.integers(len(WORDS), size=5)
    sounds = np.stack([heard(say(WORDS[label], rng)) for label in new])
    found = predict(model, ((sounds - mean) / scale).astype(np.float32)).argmax(axis=1)
    print("said: ", " ".join(WORDS[label] for label in new), "  heard:", " ".join(WORDS[label] for label in found))
    return result


if __name__ == "__main__":
    main()
