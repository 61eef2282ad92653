"""Networks at rest: model directories and checkpoints of our own, and other programs' files read and written.

The files here are this project's formats and what all formats share; a folder holds what belongs to one other program:
`caffe`, `onnx`, `pytorch`, and `foreign` for what every import of a stranger's file needs.
"""
