"""The heads of the tasks: modules and measures that know nothing of corpora."""
