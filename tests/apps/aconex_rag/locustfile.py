# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People who search, ask and read; playbooks/load_test.yml runs it. An answer without content is a failure too."""

import random
from typing import Any

from locust import HttpUser, between, task

SUBJECTS = ("plano de cimentación", "contrato del proveedor", "ensayo de calidad", "válvula de bombeo", "norma de viga")


class Reader(HttpUser):
    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        self.conversation = f"load-{random.randrange(10**9)}"
        self.asked = 0

    def ask(self, name: str, method: str, path: str, key: str, body: Any = None) -> None:
        """Send one request; its answer must have something at ``key``."""
        with self.client.request(method, path, name=name, json=body, catch_response=True) as answer:
            # What has another status, or no answer at all, Locust counts itself, with the reason.
            if answer.status_code == 200 and not answer.json().get(key):
                answer.failure(f"nothing at {key}")

    @task(5)
    def search(self) -> None:
        query = f"{random.choice(SUBJECTS)} {random.randrange(1000)}"
        self.ask("Search Documents", "POST", "/search", "results", {"query": query, "top_k": 5})

    @task(3)
    def chat(self) -> None:
        body = {"message": random.choice(SUBJECTS), "conversation_id": self.conversation}
        self.ask("Chat Query", "POST", "/chat", "answer", body)
        self.asked += 1

    @task(1)
    def history(self) -> None:
        if self.asked:
            self.ask("Get History", "GET", f"/history/{self.conversation}", "messages")

    @task(1)
    def health(self) -> None:
        self.ask("Health Check", "GET", "/health", "status")
