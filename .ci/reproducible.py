"""Build wheel and sdist twice, from two copies of the checkout that differ in all but the files' content: the same bytes twice.

Run: python .ci/reproducible.py [FOLDER] leaves them in FOLDER, with their SHA-256. It needs hatchling and git.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIFFERENT = {"umask": (0o022, 0o077), "mtime": (10**9, 2 * 10**9), "TZ": ("UTC", "Asia/Tokyo"), "LC_ALL": ("C.UTF-8", "C")}


def built(folder: Path, number: int) -> dict[str, bytes]:
    """What is built from a copy, by name."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    os.umask(DIFFERENT["umask"][number])
    for name in sorted(filter(None, names), reverse=bool(number)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
        os.utime(folder / name, (DIFFERENT["mtime"][number],) * 2)
    env = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    env |= {"TZ": DIFFERENT["TZ"][number], "LC_ALL": DIFFERENT["LC_ALL"][number], "PYTHONHASHSEED": str(number + 1)}
    command = [sys.executable, "-m", "hatchling", "build", "-d", "made"]
    subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {path.name: path.read_bytes() for path in (folder / "made").iterdir()}


def main() -> int:
    """Build twice and compare."""
    with tempfile.TemporaryDirectory() as place:
        copies = [Path(place, "one"), Path(place, "other", "deeper")]
        for copy in copies:
            copy.mkdir(parents=True)
        one, other = (built(copy, number) for number, copy in enumerate(copies))
    if one != other or len(one) != 2:
        differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
        print(
            f"reproducible: expected a wheel and an sdist of the same bytes twice, got differences in {differing}",
            file=sys.stderr,
        )
        return 1
    for name, content in one.items():
        print(f"{hashlib.sha256(content).hexdigest()}  {name}")
        if len(sys.argv) > 1:
            Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
            Path(sys.argv[1], name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
