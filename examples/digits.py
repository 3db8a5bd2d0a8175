"""A network learns to read handwritten digits: 1,797 real images of 8 × 8 pixels, in a second or two.

Everything is in plain sight: the model is three lines, the loss is its formula, and training repeats forward, backward,
step. At the end `digits.svg` shows the loss of one mini-batch, with names, shapes, values and gradients.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from autograd_nn import Value, no_grad, zero_grad
from autograd_nn.functions import linear, log_softmax

HIDDEN = 256
EPOCHS = 40
BATCH_SIZE = 32
LEARNING_RATE = 0.2
MOMENTUM = 0.9
NOISE = 0.2


def load(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return images as rows of 64 pixels from 0 to 1, for training and testing; then their labels."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    return train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=seed)


def initialize(rng: np.random.Generator) -> list[Value]:
    """Return weights and biases of two layers, 64 → 256 → 10 (He et al., 2015: variance 2 / inputs for relu)."""
    w1 = Value(rng.normal(0, np.sqrt(2 / 64), (64, HIDDEN)), dtype=np.float32, name="w1")
    b1 = Value(np.zeros(HIDDEN), dtype=np.float32, name="b1")
    w2 = Value(rng.normal(0, np.sqrt(2 / HIDDEN), (HIDDEN, 10)), dtype=np.float32, name="w2")
    b2 = Value(np.zeros(10), dtype=np.float32, name="b2")
    return [w1, b1, w2, b2]


def predict(parameters: list[Value], x: Value) -> Value:
    """Return the logarithms of the ten probabilities of each image: (batch, 64) → (batch, 10)."""
    w1, b1, w2, b2 = parameters
    hidden = linear(x, w1, b1).relu()
    return log_softmax(linear(hidden, w2, b2), axis=1)


def cross_entropy(log_p: Value, y: Value) -> Value:
    """Return the mean over images of −Σ y log p, where y is 1 for the right digit and 0 for the others."""
    return -(y * log_p).sum(axis=1).mean()


def accuracy(parameters: list[Value], images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images whose most probable digit is the right one."""
    with no_grad():
        digits = predict(parameters, Value(images, requires_grad=False)).argmax(axis=1)
    return float(np.mean(digits.data == labels))


def main(seed: int = 0) -> dict[str, float]:
    """Train, test, draw; return the numbers."""
    rng = np.random.default_rng(seed)
    train_images, test_images, train_labels, test_labels = load(seed)
    one_hot = np.eye(10, dtype=np.float32)
    parameters = initialize(rng)
    velocities = [np.zeros(p.shape, np.float32) for p in parameters]

    for epoch in range(1, EPOCHS + 1):
        losses = []
        learning_rate = LEARNING_RATE * (1 - (epoch - 1) / EPOCHS)  # large steps first, small ones to finish
        for batch in np.array_split(rng.permutation(len(train_images)), len(train_images) // BATCH_SIZE):
            noise = NOISE * rng.standard_normal((len(batch), 64), np.float32)  # never twice the same image
            x = Value(train_images[batch] + noise, name="x", requires_grad=False)
            y = Value(one_hot[train_labels[batch]], name="y", requires_grad=False)
            loss = cross_entropy(predict(parameters, x), y)

            zero_grad(*parameters)
            loss.backward()

            for i, p in enumerate(parameters):
                velocities[i] = MOMENTUM * velocities[i] - learning_rate * p.grad
                p.data = p.data + velocities[i]
            losses.append(loss.item())
        mean_loss = float(np.mean(losses))
        report(epoch, f"epoch {epoch:2} of {EPOCHS}: training loss {mean_loss:.4f}")

    loss.name = "loss"
    loss.draw(caption=f"cross entropy of {len(batch)} handwritten digits").save("digits.svg")

    result = {
        "train_accuracy": accuracy(parameters, train_images, train_labels),
        "test_accuracy": accuracy(parameters, test_images, test_labels),
        "loss": mean_loss,
    }
    print(f"test accuracy {result['test_accuracy']:.4f} on {len(test_images)} images; wrote digits.svg")
    return result


def report(epoch: int, text: str) -> None:
    """Show progress: on a terminal one line that changes, in a file a line every ten epochs."""
    if sys.stdout.isatty():
        print(f"\r{text}", end="\n" if epoch == EPOCHS else "", flush=True)
    elif epoch % 10 == 0:
        print(text, flush=True)


if __name__ == "__main__":
    main()
