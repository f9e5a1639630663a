"""What can be learned: one task a file."""
