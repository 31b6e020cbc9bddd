"""The benches, a module each; `run(stage)` of each gives its `Outcome`."""
