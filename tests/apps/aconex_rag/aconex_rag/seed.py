# Copyright (c) 2026, the rightsize.webstack authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill empty tables with passages to search in: ``python -m aconex_rag.seed [COUNT]``."""

from __future__ import annotations

import os
import random
import sys

import psycopg

from .embedding import embed

WORDS = """
aconex proyecto plano revisión documento técnico contrato obra acero hormigón cimentación estructura fachada
electricidad tubería ventilación inspección calidad seguridad plazo entrega factura proveedor transmisión
registro ensayo norma memoria cálculo carga viga pilar forjado cubierta aislamiento bombeo válvula motor
tablero cable sensor control
"""
PROJECTS = 20


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    chance, words = random.Random(42), WORDS.split()
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM passages LIMIT 1")
        if cursor.fetchone():
            return
        documents = [
            cursor.execute(
                "INSERT INTO documents (project_id, name, client) VALUES (%s, %s, 'seed') RETURNING id",
                [f"proyecto_{number}", f"documento_{number}.txt"],
            ).fetchone()
            for number in range(PROJECTS)
        ]
        with cursor.copy("COPY passages (document_id, project_id, text, embedding) FROM STDIN") as copy:
            for number in range(count):
                text = " ".join(chance.choices(words, k=12)) + f" apartado {number}"
                document = documents[number % PROJECTS]
                copy.write_row([document and document[0], f"proyecto_{number % PROJECTS}", text, embed(text)])


if __name__ == "__main__":
    main()
