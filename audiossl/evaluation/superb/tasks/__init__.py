"""The tasks, one a file: which columns, which head, which loss, which metric."""
