# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People who look at their feed; playbooks/load_test.yml runs it. A feed with fewer than 24 videos is a failure too."""

import random

from locust import HttpUser, between, task


class Viewer(HttpUser):
    wait_time = between(0.5, 3.5)

    @task
    def feed(self) -> None:
        body = {"SELF_ID": random.randint(1, 20000), "N_VIDEOS": 24, "EXCLUDED_IDS": []}
        with self.client.post("/api/search/total", json=body, name="Feed", catch_response=True) as answer:
            # What has another status, or no answer at all, Locust counts itself, with the reason.
            if answer.status_code == 200 and len(answer.json()["feed"]) != 24:
                answer.failure(f"{len(answer.json()['feed'])} videos")
