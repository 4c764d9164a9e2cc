"""Programme tables: both forms, other names of columns, and tables that are wrong."""

import pytest

from musedeep.errors import MusedeepError
from musedeep.selection.catalogue.programmes import read_programmes


def written(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_both_forms(tmp_path):
    rows = 'Prog_ID,PI,Title,release_date,mode\n094.A-0205(B),BACON,"A deep, wide field",2016-01-01,service\n'
    text = """programmes:
- run: 094.A-0205(B)
  pi: BACON
  title: A deep, wide field
  release_date: 2016-01-01
  observing_mode: SM
"""
    one = read_programmes(written(tmp_path / "a.csv", rows))
    assert one == read_programmes(written(tmp_path / "a.yaml", text))
    assert one == [
        {
            "run": "094.A-0205(B)", "pi": "BACON", "title": "A deep, wide field", "abstract": "",
            "release_date": "2016-01-01", "observing_mode": "SM", "completed": "",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "run,titel\nx,y\n", "unknown column 'titel'; did you mean title"),
        ("a.csv", "run,wavelength range\nx,y\n", "unknown column 'wavelength range'"),
        ("a.csv", "run,title\n,y\n", "line 2: no run"),
        ("a.csv", "run,release_date\nx,soon\n", "release_date is soon"),
        ("a.csv", "run,observing_mode\nx,remote\n", "observing_mode is remote; give SM or VM"),
        ("a.csv", "run,title\nx\n", "not as many cells"),
        ("a.csv", "run,title\nx,y,z\n", "not as many cells"),
        ("a.csv", "", "empty; a programme table has the columns"),
        ("a.csv", b"run\n\xff\n", "cannot be read as CSV"),
        ("a.yaml", "programs: []\n", "has the key 'programmes'"),
        ("a.yaml", "programmes: 3\n", "a list of mappings"),
        ("a.yaml", "programmes:\n- pi: x\n", "programme 1: no run"),
    ],
)
def test_tables_that_are_wrong(tmp_path, name, content, said):
    path = written(tmp_path / name, content)
    with pytest.raises(MusedeepError, match=said) as error:
        read_programmes(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(MusedeepError, match="cannot be read"):
        read_programmes(tmp_path / "a.csv")
