"""The interface speaks the reader's language: the browser's, or the one they chose."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.services import user_create

pytestmark = pytest.mark.django_db


def test_the_browsers_language_is_spoken() -> None:
    page = Client(headers={"Accept-Language": "zh-CN,zh;q=0.9"}).get(reverse("login")).content.decode()
    assert '<html lang="zh-hans"' in page and "登录 Accord" in page
    page = Client(headers={"Accept-Language": "fi"}).get(reverse("login")).content.decode()
    assert '<html lang="en"' in page and "Log in to Accord" in page


def test_a_chosen_language_stays_and_leads_back_to_the_same_page() -> None:
    client = Client()
    client.force_login(user_create(username="li"))
    answer = client.post(reverse("set_language"), {"language": "zh-hans", "next": reverse("account")})
    assert (answer.status_code, answer["Location"]) == (302, reverse("account"))
    assert "<h1" in (page := client.get(reverse("account")).content.decode()) and "标注员" in page
    elsewhere = client.post(reverse("set_language"), {"language": "en", "next": "https://example.com/"})
    assert elsewhere["Location"] == "/"


def test_errors_and_scripts_speak_it_too() -> None:
    client = Client(headers={"Accept-Language": "zh"})
    client.force_login(user_create(username="li"))
    assert "这里什么也没有" in client.get("/nowhere/").content.decode()
    assert "\\u5173\\u95ed" in client.get(reverse("script-texts")).content.decode()
