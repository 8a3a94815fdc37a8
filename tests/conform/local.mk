# The same program over kernel TCP and over librudp.
