"""Stories for a node, told as data and run on real firmware: readings and requests in, outputs and frames out."""
