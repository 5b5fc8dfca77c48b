"""Attacks on the whole chain of three processes: see docs/security.md."""
