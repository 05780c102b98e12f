"""The fast engine: aihwkit's analog layers, computed with far fewer passes over memory.

From the network down to single instructions; each file uses only those below it:

    engine.py     `FastEngine`: which modules become fast layers, which are left to aihwkit
    layers.py     `FastLayer`: what is trained, what is programmed and drifted, its forward pass
    physics.py    programming, drift and compensation of one tile, by aihwkit's own classes
    cpu.py        products on the CPU: numba kernels in several threads, differentiable
    threads.py    a layer's rows in several threads
    mvm.py        the same products in plain torch operations: any device, and without numba
    ranges.py     static and learned input ranges
    layout.py     where weights and inputs lie for the kernels
    tiles.py      how a layer is split over tiles, its converters and windows
    backward.py   numba kernel of the gradients
    kernels.py    numba kernel of the forward pass
    noise.py      normal numbers by counter
    simd.py       vectors of eight numbers for numba
"""
