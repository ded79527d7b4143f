"""Other people's benchmark kits, in environments of their own."""
