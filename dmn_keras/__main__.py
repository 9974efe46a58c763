"""`python -m dmn_keras`: the command line without an installed script."""

import sys

from dmn_keras.cli import main

sys.exit(main())
