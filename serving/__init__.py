"""What the three services share: settings, who is let in, how they run and end, and the log."""
