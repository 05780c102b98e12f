"""A study on a table, in a folder of its own: its searches take no time."""

import shutil
from pathlib import Path

TABLE = Path(__file__).parents[1] / "old_records" / "journal" / "table.npz"
STUDY = """question = "Which *mapping* keeps the limit?"
system = "lionheart"
storage = "{storage}"
model = {{name = "digits_cnn"}}
oracle = {{kind = "table", file = "table.npz"}}
limits = {{max_drop = {max_drop}, time_s = 86400.0, draws = [4, 8], over = "examples"}}
budget = {{trials = {trials}}}
run = [{{strategy = "random"}}]
"""


def table_study(
    folder: Path, storage: str = "sqlite:///study.db", max_drop: float = 0.05, trials: int = 3
) -> Path:
    """The folder, with a study file and its table."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(TABLE, folder)
    text = STUDY.format(storage=storage, max_drop=max_drop, trials=trials)
    (folder / "study.toml").write_text(text)
    return folder
