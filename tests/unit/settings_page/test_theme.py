"""The look that settings give the page: its files, their headers, and what the header shows."""

import re

import pytest

LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 24">'
    "<script>fetch('https://evil.example')</script></svg>"
)


def stylesheets(page):
    links = page.all("link", rel="stylesheet")
    return [(re.sub(".*/", "", one["href"]), one.get("media")) for one in links]


async def test_by_default_the_page_has_our_look(site, admin):
    page = await admin.get()
    assert stylesheets(page) == [
        ("page.css", None),
        ("dark.css", "(prefers-color-scheme: dark)"),
    ]
    assert page.all("meta", name="color-scheme", content="light dark")
    assert not page.all("img")
    assert "font-src 'self';" in page.headers["Content-Security-Policy"]
    sheet = page.all("link", rel="stylesheet")[0]["href"]
    for font in ("inter.woff2", "jetbrains-mono.woff2"):
        assert f'url("{font}")' in (await admin.get(sheet)).html
        async with admin.session.get(sheet.replace("page.css", font)) as answer:
            assert (await answer.read())[:4] == b"wOF2"
            assert answer.content_type == "font/woff2"
            assert "immutable" in answer.headers["Cache-Control"]


async def test_a_products_look_is_files_of_our_own_origin(make_site, tmp_path):
    (tmp_path / "logo.svg").write_text(LOGO)
    (tmp_path / "own.css").write_text(":root { --radius: 0; }")
    site = await make_site(
        brand="Globex CRM",
        theme_accent=("#0f5f59", "#2dd4bf"),
        theme_font="Georgia, serif",
        theme_logo=str(tmp_path / "logo.svg"),
        theme_stylesheet=str(tmp_path / "own.css"),
    )
    admin = await site.browser().sign_in()
    page = await admin.get()
    names = [name for name, _ in stylesheets(page)]
    assert names == ["page.css", "dark.css", "theme.css", "product.css"]
    assert "style=" not in page.html
    links = [one["href"] for one in page.all("link", rel="stylesheet")]
    theme, own = [(await admin.get(link)).html for link in links[2:]]
    assert own == ":root { --radius: 0; }"
    assert ":root { --font: Georgia, serif; }" in theme
    assert ":root { --accent: #0f5f59; --on-accent: #ffffff;" in theme
    dark = "@media (prefers-color-scheme: dark) { :root { --accent: #2dd4bf; --on-accent: #0e1117;"
    assert dark in theme
    (logo,) = page.all("img", alt="Globex CRM", width="60", height="24")
    async with admin.session.get(logo["src"]) as answer:
        assert await answer.text() == LOGO
        assert answer.content_type == "image/svg+xml"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        (policy,) = answer.headers.getall("Content-Security-Policy")
        assert policy == "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@pytest.mark.parametrize(
    ("scheme", "sheets", "meta"),
    [
        ("light", ["page.css"], "light"),
        ("dark", ["page.css", "dark.css"], "dark"),
    ],
)
async def test_a_fixed_colour_scheme_leaves_nothing_to_the_visitor(make_site, scheme, sheets, meta):
    site = await make_site(theme_color_scheme=scheme)
    page = await (await site.browser().sign_in()).get()
    assert [name for name, _ in stylesheets(page)] == sheets
    assert [media for _, media in stylesheets(page)][1:] == ["all"] * (len(sheets) - 1)
    assert page.all("meta", name="color-scheme", content=meta)


async def test_a_hidden_header_leaves_the_tabs(make_site):
    site = await make_site(theme_header="hide")
    page = await (await site.browser().sign_in()).get()
    assert not page.all("header")
    assert page.all("nav", **{"aria-label": "Webhook settings"})
