"""What the three services share: settings, who is let in, how they run and end, and the log."""

VERSION = "1.0.0"  # of all three
