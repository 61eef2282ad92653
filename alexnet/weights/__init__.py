"""Parameters at rest: model directories and checkpoints."""
