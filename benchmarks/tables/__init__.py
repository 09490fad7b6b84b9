"""VAEs of tables beside their peers: `python -m benchmarks.tables`. See ../README.md."""

NAMES = ("breast_cancer", "wine", "diabetes", "california", "penguins", "anes96", "fair")  # of the tables, see sets.py
