"""PyTorch: torchvision's names of the parameters, and checkpoints that were trained with it."""
