"""Random changes of training images, each a pure function of its seed; what belongs to an image moves with it."""
