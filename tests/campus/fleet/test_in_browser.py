"""The page in a real browser: fetched anew, it stays as its reader has left it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from campus.accounts.models import User
from campus.accounts.roles import Role
from orchestrator.models import Node
from orchestrator.states import CloudStatus
from tests.campus.making import now
from tests.e2e.browser import Browser, browser, chromium

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="Chromium and its driver are not installed"),
    pytest.mark.django_db(transaction=True),
]

PASSWORD = "a good long password"  # noqa: S105  of a user of this test's own database


@pytest.fixture
def page(live_server: LiveServer, tmp_path: Path) -> Iterator[Browser]:
    User.objects.create_user("ops", PASSWORD, Role.OPS)
    later = now() + timedelta(hours=1)
    for number in range(1, 7):
        Node.objects.create(
            name=f"gpu-{number}",
            token_hash=str(number),
            created_at=now() - timedelta(days=2),
            cloud_status=CloudStatus.SHELVED_OFFLOADED,
            not_before=later,
            failures=1,
        )
    with browser(live_server.url, tmp_path / "shots") as opened:
        opened.log_in("ops", PASSWORD)
        opened.open("/ops/?span=week")
        yield opened


def fetched_anew(page: Browser) -> None:
    """As after the next few seconds."""
    page.driver.execute_script("document.getElementById('fleet').dataset.old = 'yes'")
    page.driver.execute_script("htmx.trigger('#fleet', 'seen')")
    page.wait_for(lambda: not page.driver.find_elements("css selector", "#fleet[data-old]"))


def is_open(page: Browser, name: str) -> bool:
    return page.driver.find_element("id", f"node-{name}").get_attribute("open") is not None


def focused(page: Browser) -> str | None:
    return page.driver.switch_to.active_element.get_attribute("id")


def test_what_was_opened_by_hand_stays_open_and_keeps_the_focus(page: Browser) -> None:
    assert not is_open(page, "gpu-2")
    page.click("#sum-gpu-2")
    page.driver.execute_script("document.getElementById('retry-gpu-2').focus()")
    fetched_anew(page)
    assert is_open(page, "gpu-2")
    assert not is_open(page, "gpu-3")
    assert focused(page) == "retry-gpu-2"
    page.click("#sum-gpu-2")
    fetched_anew(page)
    assert not is_open(page, "gpu-2")
    assert page.complaints() == []


def test_a_name_in_the_picture_leads_to_its_node(page: Browser) -> None:
    page.click("#to-gpu-5")
    page.wait_for(lambda: is_open(page, "gpu-5"))


def test_an_order_from_the_page_is_given_and_the_span_kept(page: Browser) -> None:
    page.click("#sum-gpu-1")
    page.click("#retry-gpu-1")
    page.read("gpu-1 may be woken, and given work, at once.")
    assert page.driver.current_url.endswith("/ops/?span=week")
    assert Node.objects.get(name="gpu-1").not_before is None


@pytest.mark.parametrize("path", ["/ops/?span=day", "/ops/costs/"])
def test_a_narrow_screen_is_not_scrolled_sideways(page: Browser, path: str) -> None:
    script = "return [document.documentElement.scrollWidth, window.innerWidth]"
    page.driver.set_window_size(400, 900)
    page.open(path)
    wide, window = page.driver.execute_script(script)
    assert wide <= window
