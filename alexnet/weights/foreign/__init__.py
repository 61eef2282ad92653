"""What every import needs: a guarded file, the classes, facts on published networks, a folder of kept files."""
