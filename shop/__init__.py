"""The shop behind `api.py`: its rules, its records on two engines, and its search."""
