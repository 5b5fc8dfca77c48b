"""The model of a machine without a key."""
