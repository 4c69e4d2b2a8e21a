"""One file for each verb of `digan`: `add(verbs)` declares its options, `run(a)` makes one library call of them."""
