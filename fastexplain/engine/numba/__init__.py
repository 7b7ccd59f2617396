"""What all Numba kernels share: how they are compiled and run on threads, and random numbers."""
