"""Configuration: strict YAML, its models and its errors. Knows files and keys, not buses or batteries at work."""
