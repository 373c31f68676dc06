"""What recording and queries cost: `scripts/bench`, see `docs/explanation/performance.md`.

A benchmark is a file in `measures/`: its name is the benchmark's, the first line of its docstring
says what it measures, and `measure(run)` yields `Figure`s. `ON_DEMAND = True` keeps one out of a
run that names none.
"""
