# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is the same for all endpoints; the rest are options on the command line."""

umask = 0
timeout = 60
keepalive = 75
worker_tmp_dir = "/dev/shm"
control_socket_disable = True


def post_worker_init(worker):
    """Tell the bench that this worker has imported its endpoint."""
    worker.log.info("Ready")
