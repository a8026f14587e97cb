"""What happens inside: a model's layers and one training step, watched by torch's own hooks, from outside."""
