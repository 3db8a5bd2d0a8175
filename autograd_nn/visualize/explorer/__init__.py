"""The explorer: a graph as a page in which every step of the forward and the backward pass can be followed."""
