"""The subcommands of `digan`, one file each: `add(verbs)` declares flags, `run(a)` makes one library call from them."""
