"""The simulated plant: batteries, heaters and links, the byte stream to the nodes, and the bus that joins everybody."""
