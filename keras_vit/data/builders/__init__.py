"""Data sets that TensorFlow Datasets builds from what the installed packages hold."""
