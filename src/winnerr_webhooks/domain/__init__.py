"""The rules: pure functions and values. No I/O, no clocks, no randomness of their own."""
