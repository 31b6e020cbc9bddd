"""How fast it is, measured so that others can repeat it: see docs/performance/README.md."""
