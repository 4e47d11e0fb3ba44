"""Check what the wheel carries: the package with its typing mark, licence and MNIST subset, and nothing else."""

import sys
import zipfile

names = zipfile.ZipFile(sys.argv[1]).namelist()
foreign = [n for n in names if not n.startswith(("minicnn/", "minicnn_engine-"))]
needed = ["minicnn/py.typed", "minicnn/data/subset/LICENCE", "minicnn/data/subset/train-images-idx3-ubyte.gz"]
missing = [n for n in needed if n not in names]
if foreign or missing or not any(n.endswith("licenses/LICENSE") for n in names):
    sys.exit(f"wheel: foreign {foreign}, missing {missing}, of {len(names)} files")
print(f"wheel: {len(names)} files")
