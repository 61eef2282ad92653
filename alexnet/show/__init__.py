"""Pictures of networks, of what they compute and of how they learn.

Each kind of picture is a file: a function that works out the numbers, as a frozen dataclass with `to_json`, and `draw`,
which makes a matplotlib figure of them. matplotlib (the extra `see`) is imported by `sheet` alone; numbers, and the
drawing of a network's architecture, need none.
"""
