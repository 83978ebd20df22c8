"""What benchmarks of whole programs are made of: a place for files, daemons on loopback, a table."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "e2e"))
