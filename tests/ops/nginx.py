"""A real nginx for the tests: the site's configuration, in a folder, before a real web server."""

import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from accord.env import REPOSITORY
from deploy.local.broker import free_port

HOST = "accord.test"
SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Proxied:
    """A site behind nginx."""

    http: int
    https: int
    certificate: Path
    web_log: Path

    def client(self, *, address: str = "127.0.0.1") -> httpx.Client:
        """A client at this address of loopback that believes the certificate."""
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        transport = httpx.HTTPTransport(verify=trusted, local_address=address)
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.https}",
            headers={"Host": f"{HOST}:{self.https}", "Referer": f"https://{HOST}:{self.https}/"},
            transport=transport,
            timeout=SECONDS,
            event_hooks={"request": [name_host]},
        )

    def announced(self, path: str, num_bytes: int) -> str:
        """What a request is answered of which only the length of its body is told."""
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {num_bytes}\r\n\r\n"
        with (
            socket.create_connection(("127.0.0.1", self.https), SECONDS) as plain,
            trusted.wrap_socket(plain, server_hostname=HOST) as opened,
        ):
            opened.sendall(head.encode())
            return opened.recv(4096).decode()


def name_host(request: httpx.Request) -> None:
    """TLS asks for the site by its name, which no name server knows."""
    request.extensions["sni_hostname"] = HOST


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """(certificate, key) for HOST, good for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "site.crt", folder / "site.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


@contextmanager
def proxied_site(folder: Path, environment: Mapping[str, str]) -> Iterator[Proxied]:
    """The production web server and nginx, both for real."""
    web_port, http, https = free_port(), free_port(), free_port()
    certificate, key = make_certificate(folder)
    own = {
        **environment,
        "ALLOWED_HOSTS": HOST,
        "TRUSTED_ORIGINS": f"https://{HOST}:{https}",
        "HTTPS": "1",
        "LOG_FORMAT": "json",
    }
    manage = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(manage, cwd=REPOSITORY, env=own, check=True)
    told = [
        *(sys.executable, "-m", "deploy.proxy", "--host", HOST, "--upstream", f"127.0.0.1:{web_port}"),
        *("--certificate", str(certificate), "--key", str(key)),
        *("--static", str(Path(own["ACCORD_VAR"]) / "static")),
        *("--http", f"127.0.0.1:{http}", "--https", f"127.0.0.1:{https}"),
    ]
    conf = subprocess.run(told, cwd=REPOSITORY, env=own, check=True, capture_output=True, text=True).stdout
    (folder / "site.conf").write_text(conf)
    (folder / "nginx.conf").write_text(
        f"""daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
    )
    command = ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "error.log")]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    web_command = [
        *(sys.executable, "-m", "deploy.production.web", "--listen", f"127.0.0.1:{web_port}"),
        *("--processes", "1", "--trust", "127.0.0.1/32"),
    ]
    web_log = folder / "web.log"
    with web_log.open("w") as log:
        web = subprocess.Popen(web_command, cwd=REPOSITORY, env=own, stdout=log, stderr=log)
        nginx = subprocess.Popen(command)
        site = Proxied(http=http, https=https, certificate=certificate, web_log=web_log)
        try:
            wait_for(site, web)
            yield site
        finally:
            for process in (nginx, web):
                process.terminate()
            for process in (nginx, web):
                process.wait(SECONDS)


def wait_for(site: Proxied, web: "subprocess.Popen[bytes]") -> None:
    """Until the site answers through nginx."""
    deadline = time.monotonic() + SECONDS
    with site.client() as client:
        while time.monotonic() < deadline:
            assert web.poll() is None, site.web_log.read_text()
            try:
                if client.get("/livez").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise AssertionError(site.web_log.read_text())
