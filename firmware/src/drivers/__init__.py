"""One chip or channel a file, behind the interfaces the node uses."""
