"""Regional BOLD runs from arrays, tables, derivatives and images; a run is a recording whose samples are volumes."""
