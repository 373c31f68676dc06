"""A certificate for a server on this machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

NAME = "localhost"
"""Stands for slack.com, or a model's host. Nothing listens at its port 443."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return the folder of a new certificate for `NAME`."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here: it is needed to make a certificate")
    options = f"-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME} -addext subjectAltName=DNS:"
    files = ("-keyout", "key.pem", "-out", "certificate.pem")
    subprocess.run(
        ["openssl", "req", *f"{options}{NAME}".split(), *files],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    return tmp_path
