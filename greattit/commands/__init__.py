"""The commands that the root `cli.py` puts together, by subject. Thin: each opens, calls one verb and prints."""
