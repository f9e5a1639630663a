"""How much of a model's attention lies on the object, before and after training."""
