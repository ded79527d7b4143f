"""Packages, archives and files from elsewhere."""
