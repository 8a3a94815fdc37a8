# Rules of the project that a script can check.
