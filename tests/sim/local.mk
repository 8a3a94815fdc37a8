# The simulator: virtual clock, seeded network.
