"""Sending against real storage services: what arrives is what lies on disk, and every failure is told apart."""

import gc
import logging
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import SECRET, write_classic, write_enhanced
from peers import HOST, answering, free_port, peer_at, pynetdicom_storescp, stored
from phantoms import affine
from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)
from pynetdicom.events import Event

from medsr.cli.app import run
from medsr.errors import InputError, OutputError
from medsr.io.dicom.network.sending import Answer, Peer, send_series

DATA = np.arange(40 * 36 * 4, dtype=np.int16).reshape(40, 36, 4)
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless, JPEG2000Lossless)


# Where no connection comes about, pynetdicom leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")


@pytest.fixture(scope="module", autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def series(tmp_path: Path) -> Path:
    write_classic(tmp_path / "series", DATA, affine((1, 1, 4)))
    return tmp_path / "series"


def test_every_transfer_syntax_arrives_byte_for_byte(tmp_path: Path) -> None:
    for number, syntax in enumerate(SYNTAXES):
        write_classic(tmp_path / "all" / f"s{number}", DATA, affine((1, 1, 4)), syntax=syntax, prefix=f"s{number}")
    write_enhanced(tmp_path / "all" / "enhanced.dcm", DATA, affine((1, 1, 4)))
    with pynetdicom_storescp(tmp_path / "got") as port:
        answers = send_series(tmp_path / "all", Peer(HOST, port, "ANY"))
    sent = {str(dcmread(path).SOPInstanceUID): path for path in (tmp_path / "all").rglob("*.dcm")}
    got = {str(dcmread(path).SOPInstanceUID): path for path in (tmp_path / "got").iterdir()}
    assert [answer.outcome for answer in answers] == ["0x0000"] * len(sent)
    assert set(sent) == set(got)
    for uid, path in sent.items():
        one, other = dcmread(path), dcmread(got[uid])
        assert one.file_meta.TransferSyntaxUID == other.file_meta.TransferSyntaxUID
        assert _after_meta(path) == _after_meta(got[uid])


def _after_meta(path: Path) -> bytes:
    """The data set as encoded: the meta header names who wrote the file, and may differ."""
    content = path.read_bytes()
    n_meta = int.from_bytes(content[140:144], "little")
    return content[144 + n_meta :]


def test_what_failed_is_sent_again_and_nothing_else(series: Path) -> None:
    statuses = iter([0x0000, 0xA700, 0xB000, 0xC123, 0xA700, 0x0000, 0x0000])
    heard: list[Answer] = []
    with answering(lambda event: next(statuses)) as port:
        answers = send_series(series, peer_at(port), heard.append, pause_s=0)
    assert [(a.attempt, a.number, a.outcome) for a in heard] == [
        *((1, 1, "0x0000"), (1, 2, "0xA700"), (1, 3, "0xB000"), (1, 4, "0xC123")),
        *((2, 2, "0xA700"), (2, 4, "0x0000"), (3, 2, "0x0000")),
    ]
    assert all(answer.stored for answer in answers)
    assert [answer.attempt for answer in answers] == [1, 3, 1, 2]


def test_what_stays_unsent_is_counted_by_status(series: Path) -> None:
    def store(event: Event) -> int:
        return {1: 0xA700, 2: 0xA700, 3: 0xC000}.get(int(event.dataset.InstanceNumber), 0)

    with answering(store) as port, pytest.raises(OutputError, match=r"3 of 4 .*2 x 0xA700; 1 x 0xC000") as caught:
        send_series(series, peer_at(port), retries=1, pause_s=0)
    assert caught.value.exit_code == 6


def test_a_peer_that_hangs_up_amid_the_series_gets_the_rest_later(series: Path) -> None:
    seen: list[int] = []

    def hang_up(event: Event) -> int:
        seen.append(int(event.dataset.InstanceNumber))
        if len(seen) == 2:
            event.assoc.abort()
        return 0

    heard: list[Answer] = []
    with answering(hang_up) as port:
        answers = send_series(series, peer_at(port), heard.append, pause_s=0)
    assert [(a.attempt, a.number, a.outcome) for a in heard] == [
        *((1, 1, "0x0000"), (1, 2, "no answer")),
        *((2, 3, "0x0000"), (2, 4, "0x0000"), (2, 2, "0x0000")),
    ]
    assert all(answer.stored for answer in answers)
    assert seen == [1, 2, 3, 4, 2]


def test_an_instance_on_which_the_archive_hangs_up_does_not_bar_the_rest(series: Path) -> None:
    seen: list[int] = []

    def hang_up(event: Event) -> int:
        seen.append(int(event.dataset.InstanceNumber))
        if seen[-1] == 2:
            event.assoc.abort()
        return 0

    with answering(hang_up) as port, pytest.raises(OutputError, match=r"1 of 4 instances .*1 x no answer"):
        send_series(series, peer_at(port), pause_s=0)
    assert seen == [1, 2, 3, 4, 2, 2]


def test_an_archive_for_implicit_vr_alone_gets_the_same_values(tmp_path: Path) -> None:
    write_classic(tmp_path / "s", DATA, affine((1, 1, 4)), syntax=ExplicitVRLittleEndian, prefix="plain")
    write_classic(tmp_path / "s", DATA, affine((1, 1, 4)), syntax=DeflatedExplicitVRLittleEndian, prefix="deflated")
    got: dict[str, Dataset] = {}

    def store(event: Event) -> int:
        got[str(event.dataset.SOPInstanceUID)] = event.dataset
        return 0

    with answering(store, syntaxes=[ImplicitVRLittleEndian]) as port:
        send_series(tmp_path / "s", peer_at(port))
    for path in (tmp_path / "s").iterdir():
        dataset = dcmread(path)
        assert got[str(dataset.SOPInstanceUID)] == dataset


def test_what_the_data_set_says_counts_where_the_meta_header_differs(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{k}"  # as copies by other programs have it
        if k == 1:
            dataset.SOPClassUID = dataset.SOPInstanceUID = ""  # as some scanners leave them

    def store(event: Event) -> int:
        asked = (event.request.AffectedSOPClassUID, event.request.AffectedSOPInstanceUID)
        return 0 if asked == (event.dataset.SOPClassUID, event.dataset.SOPInstanceUID) else 0xA900

    write_classic(tmp_path, DATA, affine((1, 1, 4)), edit=edit)
    with answering(store) as port:
        assert [answer.outcome for answer in send_series(tmp_path, peer_at(port))] == ["0x0000"] * 4


def test_pixels_of_odd_length_get_their_padding(tmp_path: Path) -> None:
    path = write_classic(tmp_path, DATA[:, :, :1], affine((1, 1, 4)))[0]
    dataset = dcmread(path)
    dataset.Rows = dataset.Columns = 5
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset["PixelData"].VR = "OB"
    dataset.PixelData = bytes(range(25)) + b"\0"
    dataset.save_as(path)
    content = path.read_bytes()
    at = content.rindex(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 26))
    path.write_bytes(content[: at + 8] + struct.pack("<I", 25) + content[at + 12 : -1])
    got: list[bytes] = []

    def store(event: Event) -> int:
        got.append(event.dataset.PixelData)
        return 0

    with answering(store) as port:
        send_series(path, peer_at(port))
    assert got == [bytes(range(25)) + b"\0"]


def test_a_data_set_that_is_not_what_it_says_is_not_sent_again(series: Path) -> None:
    heard: list[Answer] = []
    with answering(lambda event: 0xA900) as port, pytest.raises(OutputError, match="4 x 0xA900"):
        send_series(series, peer_at(port), heard.append)
    assert len(heard) == 4


def test_a_refused_kind_is_named_and_not_tried_again(series: Path, tmp_path: Path) -> None:
    write_classic(series, DATA, affine((1, 1, 4)), syntax=RLELossless, prefix="rle")
    heard: list[Answer] = []
    with (
        answering(stored, syntaxes=[ExplicitVRLittleEndian]) as port,
        pytest.raises(OutputError, match=r"4 of 8 .*4 x kind refused; it takes no MR Image Storage as RLE Lossless"),
    ):
        send_series(series, peer_at(port), heard.append, pause_s=0)
    assert len(heard) == 8
    for path in series.glob("slice*"):
        path.unlink()
    with (
        answering(stored, syntaxes=[ExplicitVRLittleEndian]) as port,
        pytest.raises(OutputError, match="takes no MR Image Storage as RLE Lossless"),
    ):
        send_series(series, peer_at(port))


def test_only_dicom_files_go_out(series: Path) -> None:
    (series / "notes.txt").write_text("not an image")
    (series / "DICOMDIR").write_bytes((series / "slice_000.dcm").read_bytes())
    (series / ".part-1.dcm").write_bytes((series / "slice_000.dcm").read_bytes())
    (series / "uncertainty").mkdir()
    shutil.move(series / "slice_003.dcm", series / "uncertainty" / "slice_003.dcm")
    numbers: list[int] = []

    def store(event: Event) -> int:
        numbers.append(int(event.dataset.InstanceNumber))
        return 0

    with answering(store) as port:
        send_series(series, peer_at(port))
    assert numbers == [1, 2, 3, 4]


def test_what_is_no_series_is_refused_before_anything_is_sent(tmp_path: Path, series: Path) -> None:
    peer = peer_at(free_port())
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "scan.nii").write_bytes(b"x" * 400)
    for path, word in (
        (tmp_path / "empty", "no DICOM file"),
        (tmp_path / "empty" / "scan.nii", "not a DICOM file"),
        (tmp_path / "missing", "no such folder"),
    ):
        with pytest.raises(InputError, match=word):
            send_series(path, peer)
    whole = (series / "slice_001.dcm").read_bytes()
    (series / "slice_001.dcm").write_bytes(whole[:160])
    with pytest.raises(InputError, match=r"slice_001\.dcm"):
        send_series(series, peer)
    for n_missing in (1, 2, 500):
        (series / "slice_001.dcm").write_bytes(whole[:-n_missing])
        with pytest.raises(InputError, match=r"slice_001\.dcm: is cut short"):
            send_series(series, peer)
    (series / "slice_001.dcm").write_bytes(_after_meta_of(whole))
    with pytest.raises(InputError, match=r"slice_001\.dcm.*dcmconv"):
        send_series(series, peer)


def _after_meta_of(content: bytes) -> bytes:
    return content[144 + int.from_bytes(content[140:144], "little") :]


def test_the_command_tells_numbers_and_codes_alone(
    series: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    uids = {str(dcmread(path).SOPInstanceUID) for path in series.iterdir()}
    caplog.set_level(logging.DEBUG)
    statuses = iter([0, 0xB007, 0, 0])
    with answering(lambda event: next(statuses)) as port:
        caplog.clear()
        assert run(["dicom", "send", HOST, str(port), "ARCHIVE", str(series)]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "instance 1 of 4: 0x0000 stored",
        "instance 2 of 4: 0xB007 stored",
        "instance 3 of 4: 0x0000 stored",
        "instance 4 of 4: 0x0000 stored",
        f"ARCHIVE at {HOST}:{port}: 4 of 4 instances stored",
    ]
    everything = said.out + said.err + caplog.text
    assert SECRET not in everything
    assert not any(uid in everything for uid in uids)


def test_the_command_ends_in_one_line_and_code_6(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dicom", "send", HOST, str(free_port()), "ARCHIVE", str(series)]) == 6
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert run(["dicom", "send", HOST, "104", "ARCHIVE", str(series), "--ca", "ca.pem"]) == 2
    assert run(["dicom", "send", HOST, "104", "ARCHIVE", str(series), "--tls", "--ca", "ca.pem"]) == 2
    assert run(["dicom", "send", HOST, "0", "ARCHIVE", str(series)]) == 2


def test_without_the_extra_the_way_to_it_is_named(series: Path) -> None:
    code = (
        "import sys; sys.modules['pynetdicom'] = None\n"
        "from medsr.cli.app import run\n"
        f"sys.exit(run(['dicom', 'send', '{HOST}', '104', 'ARCHIVE', {str(series)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'pip install "medsr[net]"' in done.stderr
