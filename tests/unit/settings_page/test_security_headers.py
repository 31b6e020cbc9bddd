"""What protects the page in a browser: security headers, no inline code, fixed static files."""


async def test_every_answer_has_the_security_headers(site, admin):
    for path in ("", "/logs", "/nothing/here", "/sign-in/x"):
        headers = (await admin.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


async def test_a_frame_ancestor_may_frame_the_page(make_site):
    site = await make_site(frame_ancestors=("https://crm.example",))
    headers = (await site.browser().get()).headers
    assert headers["Content-Security-Policy"].endswith("frame-ancestors https://crm.example")
    assert "X-Frame-Options" not in headers


async def test_static_files_are_cached_forever_under_a_url_of_their_content(site, admin):
    page = await admin.get()
    styles = page.all("link", rel="stylesheet")
    assert styles
    for style in styles:
        async with admin.session.get(style["href"]) as answer:
            assert answer.content_type == "text/css"
            assert "immutable" in answer.headers["Cache-Control"]
    async with admin.session.get("/settings/webhooks/static/000000000000/page.css") as answer:
        assert answer.status == 404


async def test_no_page_has_inline_style_or_script(site, admin):
    webhook = await site.webhook(secret="a secret of mine")
    (delivery,) = await site.event()
    attempt = await site.settle(delivery, 503)
    paths = ("", "/new", "/logs", f"/logs/{attempt}", f"/{webhook.id}", f"/{webhook.id}/delete")
    for path in (*paths, f"/{webhook.id}/edit", "/logs/replay"):
        page = await admin.get(path)
        assert page.status == 200, path
        for tag, attributes in page.tags:
            assert tag != "style"
            assert not {"style", "onclick", "onload"} & attributes.keys()
            assert tag != "script" or attributes["src"].startswith("/settings/webhooks/static/")
