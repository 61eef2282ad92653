"""A trained network, measured and used."""
