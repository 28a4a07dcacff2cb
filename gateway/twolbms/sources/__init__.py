"""Where values come from: buses and devices. Each source retries alone and stops no other."""
