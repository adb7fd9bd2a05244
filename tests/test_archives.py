"""Archives: each member is an input of its own, whatever the archive lies in."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import KEY, SAMPLES
from test_ingest import Place, lines

from oauthtrace.analysis import analyze
from oauthtrace.sources import opening

LOG, OTHER = lines("access", 0, 9), lines("json", 0, 6)
MEMBERS = {
    "logs/access.log": LOG,
    "logs/app/api.log": OTHER,
    "logs/old.log.gz": gzip.compress(lines("access", 20, 25, m=3)),
    "README.md": b"# none\n",
    "logs/.hidden": LOG,
}
READ = [
    ("logs/access.log", "nginx-combined", 9),
    ("logs/app/api.log", "json-access", 6),
    ("logs/old.log.gz", "nginx-combined", 5),
]


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_777_888_800
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


PACKED = {
    "a.zip": zipped(MEMBERS),
    "a.tar": tarred(MEMBERS),
    "a.tar.gz": tarred(MEMBERS, "w:gz"),
    "a.tar.xz": tarred(MEMBERS, "w:xz"),
    "named.log": zipped(MEMBERS),
}


@pytest.mark.parametrize("name", PACKED)
def test_every_member_is_an_input(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(PACKED[name])
    found = [(r.file, r.format, r.records) for r in analyze([file], key=KEY).inputs]
    assert found == [(f"{file}!{member}", form, records) for member, form, records in READ]


def test_an_archive_in_an_archive(tmp_path: Path) -> None:
    file = tmp_path / "all.zip"
    file.write_bytes(zipped({"monday.tar.gz": PACKED["a.tar.gz"], "tuesday.zip": zipped({"x.log": OTHER})}))
    found = [(r.file.partition("!")[2], r.records) for r in analyze([file], key=KEY).inputs]
    assert found == [(f"monday.tar.gz!{member}", records) for member, _, records in READ] + [("tuesday.zip!x.log", 6)]


def test_a_member_can_be_named(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(PACKED["a.zip"])
    assert [r.records for r in analyze([f"{file}!logs/access.log"], key=KEY).inputs] == [9]
    with pytest.raises(opening.UnreadableInput, match="no such file"):
        analyze([f"{file}!logs/none.log"], key=KEY)


def test_a_file_whose_name_looks_like_a_members_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.zip!access.log"
    file.write_bytes(LOG)
    assert [r.records for r in analyze([file], key=KEY).inputs] == [9]


def test_a_format_that_is_an_archive_stays_whole() -> None:
    (reading,) = analyze([SAMPLES / "formats" / "saz.saz"], key=KEY).inputs
    assert reading.format == "saz"


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_members_are_taken_in_once(name: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write(name, PACKED[name])
    assert place.added(name) == 20
    assert place.added(name) == 0
    place.write("access.log", LOG)
    assert place.added("access.log") == 0
    place.write(name, tarred(MEMBERS | {"new.log": lines("access", 30, 33, m=7)}))
    assert place.added(name) == 3


@pytest.mark.parametrize("kept", [30, 300, 0.5, 0.98])
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_damaged_archive_is_said_and_stops_nothing(name: str, kept: float, tmp_path: Path) -> None:
    content = PACKED[name]
    (tmp_path / name).write_bytes(content[: int(kept if kept > 1 else len(content) * kept)])
    (tmp_path / "z.log").write_bytes(LOG)
    *damaged, whole = analyze([tmp_path], key=KEY).inputs
    assert whole.exchanges == 9
    assert any(r.rejected for r in damaged) or sum(r.records for r in damaged) == 20, [r.rejects for r in damaged]
