"""What the network sees; knows nothing of the model."""
