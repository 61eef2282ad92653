"""The pictures themselves: `figure(numbers)` of each file makes a matplotlib figure. Needs the extra `see`."""
