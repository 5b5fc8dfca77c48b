"""What the suite is measured against, each a process of its own."""
