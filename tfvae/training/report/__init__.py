"""The report of a run: what is measured (measures.py), drawn (plots.py), and shown in tables (tables.py)."""
