"""A network made: recipes, the update rule, the loop, the run directory."""
