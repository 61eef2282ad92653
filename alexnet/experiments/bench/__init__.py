"""How fast the project is on this machine: the training step, the loop around it, and every part by itself."""
