"""The fast engine: aihwkit's analog matrices, computed with far fewer passes over memory.

From the network down to single instructions. Each file uses only those below it:

    engine.py     `FastEngine`: which matrices are ours, which are left to aihwkit
    matrix.py     `FastMatrix`: what is trained, what is programmed and drifted, its products
    physics.py    programming, drift and compensation of a tile, by aihwkit's own classes
    pcm.py        numba kernels with the formulas of its PCM-like devices
    readout.py    numba kernel of the read-outs of drift compensation
    cpu.py        products on the CPU: numba kernels in several threads, differentiable
    rounded.py    weights in 16 bits, where output noise hides the rounding
    threads.py    a layer's rows in several threads
    compiling.py  one process at a time compiles the kernels
    mvm.py        the same products in plain torch operations, for other devices and without numba
    ranges.py     static and learned input ranges
    layout.py     where weights and inputs lie for the kernels
    tiles.py      how a layer is split over tiles; its converters; the windows of convolutions
    backward.py   numba kernel of the gradients
    gradients.py  the steps of that kernel
    kernels.py    numba kernel of the forward pass
    padding.py    padding of feature maps, at once or while a kernel works
    panel.py      products of a block of rows with a panel of weights
    shorts.py     inputs of products of whole numbers
    inputs.py     inputs of products in single precision
    structures.py what the kernels are given
    noise.py      normal numbers by counter
    elementary.py logarithms and exponentials
    simd.py       vectors of eight numbers for numba
"""
