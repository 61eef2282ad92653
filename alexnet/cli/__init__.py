"""Words into one library call: the only room that prints, exits, or reads the environment.

Verbs import what they call when they run, so that every help text appears at once.
"""
