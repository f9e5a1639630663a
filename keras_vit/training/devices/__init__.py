"""The devices and machines of a training, and how it ends when they are taken away."""
