"""How the gateway's own parts are doing: what is recorded of buses, journal and outlets, and what people are told."""
