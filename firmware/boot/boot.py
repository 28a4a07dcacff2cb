"""Outputs off. A soft reset leaves pins as they were, so this is the first statement that runs after any start."""

import safe

safe.drop()
