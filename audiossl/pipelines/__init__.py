"""The stages that recipes run, one file a method."""
