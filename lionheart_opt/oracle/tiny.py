"""Weights and inputs that are too small for single precision."""

#: Both engines take the weights of an output for zeros if all are smaller than this (weight decay
#: leaves such), and likewise the inputs of a tile. Scales are squared in gradients, and squares of
#: smaller numbers leave the range of float32.
SMALLEST = 1e-18
