"""Check what the wheel carries: the package with its typing mark, licence, MNIST subset and page, and nothing else."""

import sys
import zipfile
from pathlib import Path

names = zipfile.ZipFile(sys.argv[1]).namelist()
foreign = [n for n in names if not n.startswith(("minicnn/", "minicnn_engine-"))]
needed = ["minicnn/py.typed", "minicnn/data/subset/LICENCE", "minicnn/data/subset/train-images-idx3-ubyte.gz"]
page = Path("minicnn/serve/demo")
needed += [file.as_posix() for file in sorted((page / "static").iterdir())] + [f"{page}/lenet5_modern.safetensors"]
missing = [n for n in needed if n not in names]
if foreign or missing or not any(n.endswith("licenses/LICENSE") for n in names):
    sys.exit(f"wheel: foreign {foreign}, missing {missing}, of {len(names)} files")
print(f"wheel: {len(names)} files")
