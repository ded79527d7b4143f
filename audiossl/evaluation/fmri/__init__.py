"""Quality of representations of BOLD runs: the person of a segment, the network of a region, phenotypes."""
