"""SUPERB and SUPERB-SG (arXiv 2105.01051, 2203.06849): frozen layers, a weighted sum, small heads, each task's own metric."""
