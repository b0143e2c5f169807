import socket
import time
from pathlib import Path

import pytest

from lightning_gans.loggers import connection
from lightning_gans.loggers.connection import Choice, answers, choose, logged_in

URL = "https://api.wandb.ai"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No credentials, no wishes; the .netrc file that is read."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(connection, "answers", lambda url, patience: True)
    return tmp_path / "netrc"


@pytest.mark.parametrize(
    "mode, offline, standing, key, chosen",
    [
        (None, None, None, False, "offline"),
        (None, None, None, True, "online"),
        (None, True, None, True, "offline"),
        (None, None, "offline", True, "offline"),
        (None, False, "offline", True, "online"),
        (None, None, "disabled", True, "disabled"),
        ("offline", None, None, True, "offline"),
        ("dryrun", None, None, True, "offline"),
        ("offline", False, None, True, "online"),
        ("online", None, "disabled", True, "online"),
        ("online", True, None, True, "offline"),
        ("shared", None, None, True, "shared"),
        ("Disabled", False, None, True, "disabled"),
        ("nonsense", None, None, True, "online"),
    ],
)
def test_who_has_the_say(
    mode: str | None,
    offline: bool | None,
    standing: str | None,
    key: bool,
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if mode is not None:
        monkeypatch.setenv("WANDB_MODE", mode)
    assert choose(offline=offline, url=URL, standing=standing, has_key=key) == Choice(chosen)  # type: ignore[arg-type]


def test_no_login_is_a_complaint_only_where_the_server_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose(offline=None, url=URL).complaint is None
    asked = choose(offline=False, url=URL)
    assert asked.mode == "offline"
    assert "wandb login" in (asked.complaint or "")
    monkeypatch.setenv("WANDB_MODE", "online")
    assert "wandb login" in (choose(offline=None, url=URL).complaint or "")


def test_no_answer_means_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "answers", lambda url, patience: False)
    choice = choose(offline=None, url=URL, has_key=True)
    assert choice.mode == "offline"
    assert "did not answer within 3 s" in (choice.complaint or "")


@pytest.mark.parametrize(
    "machine, url, found",
    [
        ("api.wandb.ai", "https://api.wandb.ai", True),
        ("api.wandb.ai", "https://api.forge.coreweave.com", True),
        ("api.wandb.ai", "https://wandb.example.org", False),
        ("wandb.example.org:8080", "http://wandb.example.org:8080", True),
    ],
)
def test_netrc(machine: str, url: str, found: bool, nobody: Path) -> None:
    assert not logged_in(url)
    nobody.write_text(f"machine {machine}\n  login user\n  password {'a' * 40}\n")
    assert logged_in(url) is found
    nobody.write_text("machine\n")
    assert not logged_in(url)


def test_a_server_that_accepts_and_says_nothing_does_not_keep_us_waiting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        assert not answers(f"http://127.0.0.1:{silent.getsockname()[1]}", patience=0.2)
        assert time.monotonic() - start < 2


def test_any_reply_is_an_answer() -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Refuses(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert answers(f"http://127.0.0.1:{server.server_port}")
        thread.join()
    assert not answers("https://api.wandb.ai", patience=0.5)  # tests have no network
