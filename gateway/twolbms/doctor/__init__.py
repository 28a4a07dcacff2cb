"""Says what is wrong with a site's files, buses, packs, devices and database, and what to do. Changes nothing."""
