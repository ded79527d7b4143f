"""The parts of `tools/bench/gpu.py`: a file a part, each a function from a `Setting` to rows."""
