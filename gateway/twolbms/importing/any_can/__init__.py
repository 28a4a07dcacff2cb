"""Import of any CAN: every signal of a log that DBC files name, to a database at once, or raw frames into a journal.

Knows DBC files, a journal and a database's write path. Knows no pack and no meaning of a signal.
"""
