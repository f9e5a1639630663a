"""A run on disk: its folder, its state, where it ran."""
