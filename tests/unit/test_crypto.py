"""Secrets at rest are encrypted, bound to their row, and decrypted by the right key."""

import hashlib
import os
import stat
import subprocess
import sys

import pytest

from winnerr_webhooks.config import EncryptionKey
from winnerr_webhooks.crypto import Keyring, hash_key, key_id_of, load_or_create_key_file
from winnerr_webhooks.domain.errors import ConfigurationError

OLD = EncryptionKey("old", b"o" * 32)
NEW = EncryptionKey("new", b"n" * 32)
LONG = EncryptionKey("k" * 32, b"l" * 32)


@pytest.mark.parametrize("plain", [b"", b"whsec_abc", bytes(256)])
@pytest.mark.parametrize("key", [OLD, LONG])
def test_an_encrypted_secret_can_be_decrypted(plain, key):
    ring = Keyring([key])
    assert ring.decrypt(ring.encrypt(plain, b"wh_1"), b"wh_1") == plain


def test_encrypting_twice_gives_different_bytes_without_the_secret_in_them():
    ring = Keyring([OLD])
    one, other = ring.encrypt(b"whsec_abc", b"wh_1"), ring.encrypt(b"whsec_abc", b"wh_1")
    assert one != other
    assert b"whsec" not in one


def test_a_secret_copied_to_another_row_cannot_be_decrypted():
    ring = Keyring([OLD])
    with pytest.raises(ConfigurationError, match="'old'"):
        ring.decrypt(ring.encrypt(b"s", b"wh_1"), b"wh_2")


def test_a_missing_key_is_named_with_what_to_do():
    sealed = Keyring([OLD]).encrypt(b"s", b"wh_1")
    with pytest.raises(ConfigurationError, match=r"ENCRYPTION_KEYS: .*'old'.*\(new\)"):
        Keyring([NEW]).decrypt(sealed, b"wh_1")


def test_another_key_with_the_same_id_cannot_decrypt():
    sealed = Keyring([OLD]).encrypt(b"s", b"wh_1")
    with pytest.raises(ConfigurationError, match="'old' there is not the one"):
        Keyring([EncryptionKey("old", b"x" * 32)]).decrypt(sealed, b"wh_1")


def test_an_error_names_the_file_that_the_keys_are_from():
    sealed = Keyring([OLD]).encrypt(b"s", b"wh_1")
    for other in (NEW, EncryptionKey("old", b"x" * 32)):
        with pytest.raises(ConfigurationError, match=r"^/data/w\.db\.keys: "):
            Keyring([other], "/data/w.db.keys").decrypt(sealed, b"wh_1")


def test_after_a_key_rotation_the_first_key_encrypts_and_each_decrypts_its_own():
    before = Keyring([OLD]).encrypt(b"s", b"wh_1")
    ring = Keyring([NEW, OLD])
    after = ring.encrypt(b"s", b"wh_1")
    assert (key_id_of(before), key_id_of(after)) == ("old", "new")
    assert ring.decrypt(before, b"wh_1") == ring.decrypt(after, b"wh_1") == b"s"


@pytest.mark.parametrize("key", [OLD, LONG])
def test_any_damaged_secret_is_a_configuration_error(key):
    ring = Keyring([key])
    sealed = ring.encrypt(b"secret", b"wh_1")
    damaged = [sealed[:n] for n in range(len(sealed))]
    damaged += [
        sealed[:n] + bytes([sealed[n] ^ 0x80]) + sealed[n + 1 :] for n in range(len(sealed))
    ]
    for one in damaged:
        with pytest.raises(ConfigurationError):
            ring.decrypt(one, b"wh_1")


def test_an_unknown_format_is_reported_as_one_of_a_newer_version():
    with pytest.raises(ConfigurationError, match="newer version"):
        key_id_of(b"\x02" + bytes(40))


def test_reprs_show_ids_only():
    assert repr(Keyring([NEW, OLD])) == "Keyring(new, old)"
    assert "ooo" not in repr(OLD)


def test_an_api_key_is_stored_as_its_sha256():
    assert hash_key("wwk_abc") == hashlib.sha256(b"wwk_abc").digest()


def test_a_new_key_file_is_readable_by_its_owner_only_and_can_be_loaded(tmp_path):
    path = tmp_path / "events.db.keys"
    umask = os.umask(0)
    try:
        (key,) = load_or_create_key_file(path, create=True)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(key.key) == 32
    assert load_or_create_key_file(path, create=False) == (key,)
    assert load_or_create_key_file(path, create=True) == (key,)
    assert [file.name for file in tmp_path.iterdir()] == [path.name], "nothing is left beside it"


def test_a_missing_key_file_is_not_created_if_there_are_secrets(tmp_path):
    path = tmp_path / "events.db.keys"
    with pytest.raises(ConfigurationError, match=rf"{path}.*missing.*backup"):
        load_or_create_key_file(path, create=False)
    assert not path.exists()


def test_a_key_file_may_have_several_keys_and_comments(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# a remark\r\n\n  new:{'bm5u' * 10}bm4=  \nold:{'b29v' * 10}b28=\n")
    assert load_or_create_key_file(path, create=False) == (NEW, OLD)


@pytest.mark.parametrize(
    "content", [b"", b"# nothing but a remark\n", b"hunter2hunter2", b"k1:hunter2==", b"\xff\xfe\0"]
)
def test_an_invalid_key_file_is_named_but_not_quoted_and_not_changed(tmp_path, content):
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_or_create_key_file(path, create=True)
    assert str(path) in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize("create", [True, False])
def test_a_key_file_that_cannot_be_read_or_created_is_named(tmp_path, create):
    folder = tmp_path / "a folder"
    folder.mkdir()
    with pytest.raises(ConfigurationError, match="a folder"):
        load_or_create_key_file(folder, create=create)
    with pytest.raises(ConfigurationError, match="nowhere"):
        load_or_create_key_file(tmp_path / "nowhere" / "keys", create=create)


def test_processes_that_create_a_key_file_at_once_all_use_the_same_key(tmp_path):
    path = tmp_path / "keys"
    program = f"""
import sys
from pathlib import Path
from winnerr_webhooks.crypto import load_or_create_key_file
print("ready", flush=True)
sys.stdin.readline()
print(load_or_create_key_file(Path({str(path)!r}), create=True)[0].key.hex())
"""
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for maker in makers:
            assert maker.stdout.readline() == "ready\n"
        for maker in makers:
            maker.stdin.write("go\n")
            maker.stdin.flush()
        keys = {maker.communicate(timeout=60)[0] for maker in makers}
    finally:
        for maker in makers:
            maker.kill()
            maker.wait()
    (key,) = keys
    assert load_or_create_key_file(path, create=False)[0].key.hex() == key.strip()
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]
