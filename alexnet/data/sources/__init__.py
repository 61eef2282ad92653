"""The data sets that can be prepared: one file each, and the table of them."""
