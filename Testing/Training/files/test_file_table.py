"""Tables that say of each file its subject or its effective resolution."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NExpRTraining.files.file_table import fact_of, read_table


def table(tmp_path, text, **options):
    path = tmp_path / "table.csv"
    path.write_text(text, **options)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", "\t"])
def test_subjects(tmp_path, encoding, separator):
    text = "file,subject\na.nii.gz,ann\nsub/b.nii,bob\n".replace(",", separator)
    facts = read_table(table(tmp_path, text, encoding=encoding), "subject")
    assert fact_of(tmp_path / "a.nii.gz", facts) == "ann"
    assert fact_of(tmp_path / "elsewhere" / "b.nii", facts) == "bob"
    assert fact_of(tmp_path / "c.nii", facts) is None


def test_spaces_around_a_subject_do_not_make_another_one(tmp_path):
    (tmp_path / "table.csv").write_text("file,subject\na.nii,P1 \nb.nii, P1\nc.nii,P1\n")
    assert set(read_table(tmp_path / "table.csv", "subject").values()) == {"P1"}


def test_effective_resolution(tmp_path):
    path = table(tmp_path, "file,subject,x,y\na.nii,ann,66.7,100\nb.nii,bob,,50\nc.nii,eve,,\n")
    facts = read_table(path, "resolution")
    assert fact_of("a.nii", facts) == pytest.approx((0.667, 1))
    assert fact_of("b.nii", facts) == pytest.approx((1, 0.5))
    assert fact_of("c.nii", facts) == (1, 1)
    assert fact_of("a.nii", read_table(path, "subject")) == "ann"


def test_nothing_is_read_from_prose(tmp_path):
    path = table(tmp_path, 'file,notes\na.nii,"subject=ann; effective resolution x 67%, y 100%"\n')
    for what, columns in (("subject", "file and subject"), ("resolution", "file and x and y")):
        with pytest.raises(ValueError, match=f"needs the columns {columns}"):
            read_table(path, what)


def test_files_of_one_name_in_several_folders(tmp_path):
    facts = read_table(table(tmp_path, "file,subject\none/t2.nii,ann\ntwo/t2.nii,bob\n"), "subject")
    assert fact_of(tmp_path / "one" / "t2.nii", facts) == "ann"
    assert fact_of(tmp_path / "two" / "t2.nii", facts) == "bob"
    with pytest.raises(ValueError, match="several rows"):
        fact_of(tmp_path / "three" / "t2.nii", facts)


def test_rows_and_files_may_go_through_links(tmp_path):
    """A linked folder of data, and a file that a data manager keeps under another name."""
    kept = tmp_path / "objects" / "4711.nii"
    kept.parent.mkdir()
    kept.write_bytes(b"")
    (tmp_path / "real" / "ann").mkdir(parents=True)
    file = tmp_path / "real" / "ann" / "t2.nii"
    file.symlink_to(kept)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for row in ("ann/t2.nii", "link/ann/t2.nii", str(tmp_path / "link" / "ann" / "t2.nii")):
        assert fact_of(file, {Path(row): "ann"}) == "ann"
        assert fact_of(tmp_path / "link" / "ann" / "t2.nii", {Path(row): "ann"}) == "ann"


def test_rows_on_files_of_other_folders_do_not_count(tmp_path):
    """Such as a table of those volumes alone that the scanner interpolated, in a folder per patient."""
    for patient in ("ann", "bob", "eve"):
        (tmp_path / "in" / patient / "anat").mkdir(parents=True)
        (tmp_path / "in" / patient / "anat" / "t2.nii").touch()
    facts = read_table(table(tmp_path, "file,x,y\nann/anat/t2.nii,75,100\nin/bob/anat/t2.nii,67,100\n"), "resolution")
    found = [fact_of(tmp_path / "in" / patient / "anat" / "t2.nii", facts) for patient in ("ann", "bob", "eve")]
    assert found == [(0.75, 1), (0.67, 1), None]
    moved = tmp_path / "elsewhere" / "t2.nii"  # to where no folder is called so
    assert fact_of(moved, dict(list(facts.items())[:1])) == (0.75, 1)


@pytest.mark.parametrize("values", ["0,100", "-5,100", "150,100", "half,100", "nan,100", "67%,100", "0.75,1"])
def test_percentages_that_make_no_sense(tmp_path, values):
    with pytest.raises(ValueError, match="percentages"):
        read_table(table(tmp_path, f"file,x,y\na.nii,{values}\n"), "resolution")


@pytest.mark.parametrize("text", ["", "file\na.nii\n", "name,subject\na,b\n"])
def test_tables_without_the_columns(tmp_path, text):
    with pytest.raises(ValueError, match="needs the columns file and subject"):
        read_table(table(tmp_path, text), "subject")


@pytest.mark.parametrize("text", ['file,subject\n"a.nii', "file,subject\n\n,\n", "subject,file\nann\n"])
def test_rows_that_say_nothing(tmp_path, text):
    assert fact_of("a.nii", read_table(table(tmp_path, text), "subject")) is None


def test_subjects_of_files_of_one_name_are_kept_apart(nexpr, tmp_path):
    for subject in ("one", "two", "three"):
        (tmp_path / "in" / "scans" / subject).mkdir(parents=True)
        pixels = np.random.default_rng(0).random((2, 24, 24), dtype=np.float32)
        sitk.WriteImage(sitk.GetImageFromArray(pixels), tmp_path / "in" / "scans" / subject / "t2.nrrd")
    path = table(tmp_path, "file,subject\none/t2.nrrd,ann\ntwo/t2.nrrd,bob\nthree/t2.nrrd,eve\n")
    status, _, _ = nexpr("prepare", tmp_path / "in", "-o", tmp_path / "data.npz", "--subjects", path)
    assert status == 0
    with np.load(tmp_path / "data.npz") as data:
        assert set(data["subjects"]) == {"ann", "bob", "eve"}
