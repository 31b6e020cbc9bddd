"""The rules of the product as pure functions and values.

Nothing here does I/O, reads a clock or draws random numbers: callers pass those in.
"""
