"""Questions asked of everything below: how fast it is, and whether what the paper claims is seen again."""
