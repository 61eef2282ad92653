"""Questions asked of everything below: how fast it is."""
