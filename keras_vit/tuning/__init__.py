"""Searching for better options of a training, by keras-tuner."""
