# Fuzzers, and the replay of their corpora.
