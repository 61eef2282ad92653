"""Caffe: networks and means as it stores them, read without its code and without trust in the file."""
