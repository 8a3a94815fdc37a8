# Real programs over librudp.
