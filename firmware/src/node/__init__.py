"""The node's pure logic: integers and time come in, outputs and frames go out. Imports no hardware."""
