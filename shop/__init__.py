"""Behind `api.py`: the shop's rules, its records on two engines, and the bodies of the REST service."""
