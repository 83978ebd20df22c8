"""What a dead daemon left on its disk, compared with the content itself."""

import os
import shutil
import sqlite3
import tempfile


def _rows(database, query, *arguments):
    # A copy: opening the original would write its journal back, which is the daemon's to do.
    with tempfile.TemporaryDirectory() as directory:
        for name in os.listdir(os.path.dirname(database)):
            if name.startswith(os.path.basename(database)) and not name.endswith("-shm"):
                shutil.copy(os.path.join(os.path.dirname(database), name), directory)
        connection = sqlite3.connect(os.path.join(directory, os.path.basename(database)))
        try:
            return connection.execute(query, arguments).fetchall()
        finally:
            connection.close()


def check_records(storage, task_id, content):
    """Compares every piece that has a record with the file `content`. Returns how many there are, and
    a list of what is wrong."""
    database = os.path.join(storage, "metadata", "storage.db")
    if not os.path.exists(database):
        return 0, []
    pieces = _rows(
        database,
        "SELECT number, offset, length FROM piece JOIN task ON task = row WHERE id = ?",
        task_id,
    )
    if not pieces:
        return 0, []
    wrong = []
    stored = os.path.join(storage, "content", "tasks", task_id[:3], task_id)
    with open(content, "rb") as expected, open(stored, "rb") as found:
        for number, offset, length in pieces:
            expected.seek(offset)
            found.seek(offset)
            if expected.read(length) != found.read(length):
                wrong.append(f"piece {number} at {offset} of {length} bytes")
    return len(pieces), wrong
