"""Records of what was tried and made, by stack and name: one file each, named by its moment."""

import json
from pathlib import Path
from typing import Any

from tools.checkout import LOCAL, private_folder, write_private

RECORDS = LOCAL / "records"


def keep(stack: str, name: str, record: dict[str, Any]) -> Path:
    """Writes it beside those before."""
    file = private_folder(RECORDS / stack / name) / f"{record['at'].replace(':', '').replace('+0000', 'Z')}.json"
    write_private(file, json.dumps(record, indent=2) + "\n")
    return file
