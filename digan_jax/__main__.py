"""`python -m digan_jax VERB` is `digan VERB`."""

import sys

from digan_jax.cli import main

sys.exit(main())
