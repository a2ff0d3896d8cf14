# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Static files that two releases can share a directory for."""

from core.version import VERSION
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class VersionedStaticFilesStorage(ManifestStaticFilesStorage):
    """File names with a digest, and one list of them for each version, so that going back finds the old files."""

    manifest_name = f"staticfiles-{VERSION}.json"
    manifest_strict = False
