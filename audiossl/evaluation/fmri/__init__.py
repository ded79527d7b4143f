"""What representations of BOLD runs are worth: who a segment is of, which network a region belongs to, phenotypes."""
