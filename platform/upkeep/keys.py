"""The keys of a site in a backup: as they are for their owner alone, encrypted, or not at all.

Encrypted is Fernet (AES-128-CBC with HMAC-SHA256) under a key that scrypt makes of a passphrase.
"""

import base64
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from accounts.errors import Invalid
from upkeep.manifest import KeysKind

FILES = ("secret_key", "admin_password")
"""In the var folder, where they are there."""
SALT_BYTES = 16
SCRYPT = {"n": 2**15, "r": 8, "p": 1}


def keys_save(var: Path, folder: Path, kind: KeysKind, passphrase: str) -> list[str]:
    """Put the keys into the backup's folder; their names."""
    if kind == "none":
        return []
    folder.mkdir(mode=0o700)
    names = [name for name in FILES if (var / name).is_file()]
    for name in names:
        content = (var / name).read_bytes()
        private_write(folder / name, _locked(content, passphrase) if kind == "encrypted" else content)
    return names


def keys_put_back(folder: Path, names: list[str], var: Path, kind: KeysKind, passphrase: str) -> None:
    """Write the keys where they were, for their owner alone; ones that are there stay. Raises Invalid."""
    for name in names:
        content = (folder / name).read_bytes()
        opened = _opened(content, passphrase) if kind == "encrypted" else content
        if not (var / name).exists():
            private_write(var / name, opened)


def private_write(path: Path, content: bytes) -> None:
    """Write a new file that nobody else may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)


def _locked(content: bytes, passphrase: str) -> bytes:
    salt = secrets.token_bytes(SALT_BYTES)
    return salt + _fernet(passphrase, salt).encrypt(content)


def _opened(content: bytes, passphrase: str) -> bytes:
    try:
        return _fernet(passphrase, content[:SALT_BYTES]).decrypt(content[SALT_BYTES:])
    except InvalidToken as error:
        raise Invalid("The passphrase does not open the backup's keys: give another.") from error


def _fernet(passphrase: str, salt: bytes) -> Fernet:
    key = Scrypt(salt=salt, length=32, **SCRYPT).derive(passphrase.encode())
    return Fernet(base64.urlsafe_b64encode(key))
