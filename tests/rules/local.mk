# Rules of the project that a script can check.

dist_noinst_SCRIPTS += %reldir%/man %reldir%/env_documented %reldir%/surface_documented %reldir%/completion %reldir%/statements %reldir%/counters_tested
core_tests += %reldir%/man %reldir%/env_documented %reldir%/surface_documented %reldir%/completion %reldir%/statements %reldir%/counters_tested
EXTRA_DIST += %reldir%/statements.open %reldir%/completing.py

# These need the built libraries.
dist_noinst_SCRIPTS += %reldir%/static_mem %reldir%/symbols
full_tests += %reldir%/static_mem %reldir%/symbols

# Needs the built core.
dist_noinst_SCRIPTS += %reldir%/core_is_pure
core_tests += %reldir%/core_is_pure
