"""What the network is; knows nothing of files, means, crops, labels or training."""
