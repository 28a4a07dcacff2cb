"""Where records and snapshots go: databases read the journal by cursor, the others show the snapshot."""
