"""The presets of each task: a preset is a function whose docstring says where its numbers are from."""
