"""Keys of outside reporters: where they may stand, what is refused by name, and that no secret is ever shown."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from partfill.runtime.keys import MAX_KEYS, VARIABLE, Key, WrongKeys, checked, from_environment, from_file
from partfill.runtime.settings import FillManagement

SECRET = bytes(range(32))
HEX = SECRET.hex()


def written(folder: Path, said: str, mode: int = 0o600) -> Path:
    path = folder / "keys.toml"
    path.write_text(said)
    path.chmod(mode)
    return path


def test_a_file_has_several_keys_each_for_a_time(tmp_path: Path) -> None:
    said = f'[old]\nsecret = "{HEX}"\nnot_after = 2026-12-01T00:00:00Z\n[new-2_b]\nsecret = "{HEX.upper()}00"\n'
    said += "not_before = 1970-01-01T00:00:01.5+00:00\n"
    keys = from_file(written(tmp_path, said))
    assert list(keys) == ["old", "new-2_b"]
    assert (keys["old"].reveal(), keys["new-2_b"].reveal()) == (SECRET, SECRET + b"\0")
    assert (keys["old"].not_before, keys["old"].not_after) == (None, 1_796_083_200_000)
    assert keys["new-2_b"].not_before == 1500


def test_bounds_are_included() -> None:
    key = Key(SECRET, not_before=10, not_after=20)
    assert [key.valid_at(now) for now in (9, 10, 15, 20, 21)] == [False, True, True, True, False]


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o610, 0o777])
def test_a_file_that_others_may_touch_is_refused(mode: int, tmp_path: Path) -> None:
    with pytest.raises(WrongKeys, match=f"may be read by others .mode {mode:04o}.; chmod 600 it"):
        from_file(written(tmp_path, f'[a]\nsecret = "{HEX}"\n', mode))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (f'[a]\nsecret = "{HEX[:62]}"\n', "the secret of key 'a' is not 64 hexadecimal digits or more"),
        (f'[a]\nsecret = "{HEX}0"\n', "the secret of key 'a'"),
        (f'[a]\nsecret = "zz{HEX}"\n', "the secret of key 'a'"),
        ("[a]\nsecret = 12\n", "the secret of key 'a'"),
        ("[a]\n", "the secret of key 'a'"),
        (f'[a]\nsecret = "{HEX}"\nother = 1\n', "key 'a' is no table of secret, not_before and not_after"),
        (f'a = "{HEX}"\n', "key 'a' is no table"),
        (f'["a b"]\nsecret = "{HEX}"\n', "'a b' is no id of a key"),
        (f'[a]\nsecret = "{HEX}"\nnot_after = 2026-12-01\n', "not_after of key 'a' is no time with a zone"),
        (f'[a]\nsecret = "{HEX}"\nnot_before = 2026-12-01T00:00:00\n', "not_before of key 'a' is no time with a zone"),
        (f'[a]\nsecret = "{HEX}\n', "is no TOML, line 2"),
        ("", "there are 0 keys; there may be 1 to 100"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_without_a_secret(said: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(WrongKeys, match=why) as wrong:
        from_file(written(tmp_path, said))
    assert HEX[:16] not in str(wrong.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongKeys, match=r"keys.toml cannot be read: No such file"):
        from_file(tmp_path / "keys.toml")
    with pytest.raises(WrongKeys, match="cannot be read"):
        from_file(tmp_path)


def test_the_environment_has_them_as_words() -> None:
    keys = from_environment({VARIABLE: f"a:{HEX} b:{HEX}ff"})
    assert [(name, key.reveal()) for name, key in keys.items()] == [("a", SECRET), ("b", SECRET + b"\xff")]
    assert from_environment({}) == from_environment({VARIABLE: " "}) == {}


@pytest.mark.parametrize("said", [HEX, f":{HEX}", f"a:{HEX} a:{HEX}", f"a:{HEX[:10]}", f"a/b:{HEX}"])
def test_what_is_wrong_in_the_environment_is_named_without_a_secret(said: str) -> None:
    with pytest.raises(WrongKeys) as wrong:
        from_environment({VARIABLE: said})
    assert HEX[:16] not in str(wrong.value)


def test_the_variable_of_keys_is_no_misspelt_setting() -> None:
    assert FillManagement.from_environment({VARIABLE: f"a:{HEX}"}) == FillManagement()


def test_a_secret_is_long_and_is_never_shown() -> None:
    key = Key(SECRET, not_after=5)
    assert repr(key) == str(key) == "Key(not_before=None, not_after=5)"
    assert SECRET.hex() not in repr({"a": key})
    with pytest.raises(TypeError, match="a key is not written anywhere"):
        pickle.dumps(key)
    for short in (b"", SECRET[:31], "x" * 40):
        with pytest.raises(WrongKeys, match="32 random bytes or more"):
            Key(short)  # type: ignore[arg-type]
    with pytest.raises(WrongKeys, match="ends at 4 before it begins at 5"):
        Key(SECRET, not_before=5, not_after=4)


def test_there_are_not_too_many() -> None:
    with pytest.raises(WrongKeys, match=f"there are {MAX_KEYS + 1} keys"):
        checked({f"k{number}": Key(SECRET) for number in range(MAX_KEYS + 1)})


def test_the_file_is_judged_as_it_was_opened(tmp_path: Path) -> None:
    path = written(tmp_path, f'[a]\nsecret = "{HEX}"\n')
    link = tmp_path / "link"
    os.symlink(path, link)
    assert list(from_file(link)) == ["a"]
    path.chmod(0o644)
    with pytest.raises(WrongKeys, match="may be read by others"):
        from_file(link)
