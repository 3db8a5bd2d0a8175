"""``python -m autograd_nn`` is the command ``autograd-nn``: see `autograd_nn.cli`."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
