"""Optimizers of the papers: their schedule, parameter groups and layer-wise rates."""
