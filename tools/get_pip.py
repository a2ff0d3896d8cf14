"""Put pip into a virtualenv that has none, from the copy that Python itself carries.

ansible-test would download such a script; tools/sanity puts this one into its cache instead, so that only the
package index is needed. Arguments are pip's own, such as ``pip==24.2``, and ``--no-setuptools`` and ``--no-wheel``.
"""

from __future__ import annotations

import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True)
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.run([sys.executable, "-m", "pip", "install", *arguments], check=True)
