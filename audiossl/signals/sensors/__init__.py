"""Sensor streams: recordings of several channels by people, and fixed windows of them."""
