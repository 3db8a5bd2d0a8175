"""Cats or dogs? A small convolutional network tells drawn faces apart, and may learn them by heart instead.

The faces are drawn by the program, 20 × 20 pixels: a cat's ears are pointed and stand up, a dog's are round and hang
down; place, size, fur and light are random. Training accuracy says how well the network knows the pictures it has
seen. What counts is the accuracy on new ones, and the gap between the two closes with more pictures, not with more
training.
"""

from __future__ import annotations

import numpy as np

from autograd_nn import nn, optim
from autograd_nn.training import evaluate, fit

NAMES = ("cat", "dog")
SIZE = 20
SIZES = (10, 60, 600)  # pictures to learn from
TESTS = 400


def face(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Draw one face: bright on dark, (20, 20)."""
    row, column = np.mgrid[:SIZE, :SIZE]
    scale = rng.uniform(0.8, 1.1)
    v = (row - 11.0 + rng.uniform(-1.5, 1.5)) / scale  # downwards from the middle of the face
    u = np.abs(column - 9.5 + rng.uniform(-2.5, 2.5)) / scale  # sideways; faces are symmetric
    image = np.where(u**2 + v**2 < 25, rng.uniform(0.5, 0.9), 0.0)  # the head
    if kind == "cat":
        ear = (v > -9) & (v < -2) & (np.abs(u - 3.2) < (v + 9) * 0.4)  # a triangle that stands up
    else:
        ear = ((u - 5.2) / 1.8) ** 2 + ((v + 1) / 4.2) ** 2 < 1  # an ellipse that hangs down
    image = np.where(ear, rng.uniform(0.5, 0.9), image)
    image = np.where((u - 2) ** 2 + (v + 1.2) ** 2 < 0.8, 0.0, image)  # eyes
    image = np.where((u < 1) & (np.abs(v - 1.5) < 0.8), 0.1, image)  # nose
    return image + rng.normal(0, 0.2, image.shape)  # fur


def pictures(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return n pictures, (n, 1, 20, 20), and their classes, (n,)."""
    labels = np.arange(n) % 2
    return np.stack([face(NAMES[label], rng) for label in labels])[:, None].astype(np.float32), labels


def network(seed: int) -> nn.Module:
    """Return a network: filters, the strongest answers in each neighborhood, more filters, and a decision."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 3 * 3, 2),
    ).initialize(seed)  # fmt: skip


def show(image: np.ndarray) -> str:
    """Return a picture as text."""
    shades = " .:*#"
    lines = image[0, 2:-1].clip(0, 0.99)
    return "\n".join("".join(2 * shades[int(len(shades) * pixel)] for pixel in line).rstrip() for line in lines)


def main(seed: int = 0) -> dict[str, float]:
    """Train on few pictures and on many, and compare what is known by heart with what is understood."""
    rng = np.random.default_rng(seed)
    x, labels = pictures(max(SIZES), rng)
    test = pictures(TESTS, rng)
    result = {}
    for n in SIZES:
        model, train = network(seed), (x[:n], labels[:n])
        optimizer = optim.Adam(model.parameters(), learning_rate=0.003)
        epochs = max(10, 1000 // n)
        fit(model, train, "cross_entropy", optimizer, epochs=epochs, batch_size=20, seed=seed, progress=False)
        for part, images in (("train", train), ("test", test)):
            result[f"{part}_{n}"] = evaluate(model, images, metrics="accuracy")["accuracy"]
        print(f"{n:4} pictures: accuracy {result[f'train_{n}']:.3f} on these, {result[f'test_{n}']:.3f} on new ones")
    picture = test[0][:1]
    found = NAMES[int(model(picture).data.argmax())]
    print(show(picture[0]))
    print(f"This is a {NAMES[test[1][0]]}, and the network says: {found}.")
    return result


if __name__ == "__main__":
    main()
