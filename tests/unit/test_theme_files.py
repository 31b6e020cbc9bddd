"""The logo and the style sheet are read and checked before the page shows them."""

import pytest

from winnerr_webhooks.theme_files import MAX_BYTES, read_logo, read_stylesheet

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (120).to_bytes(4) + (48).to_bytes(4) + b"rest"


def svg(attributes):
    return f'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" {attributes}/>'.encode()


@pytest.mark.parametrize(
    ("content", "is_svg", "width"),
    [
        (PNG, False, 60),
        (svg('viewBox="0 0 100 50"'), True, 48),
        (svg('viewBox="0,-5,30.5,20"'), True, 37),
        (svg('width="72px" height="24" viewBox="0 0 1 1"'), True, 72),
        (svg('width="100%" height="100%" viewBox="0 0 24 24"'), True, 24),
        (svg('viewBox="0 0 9000 10"'), True, 240),
    ],
)
def test_a_logo_keeps_its_proportions(tmp_path, content, is_svg, width):
    (tmp_path / "logo").write_bytes(content)
    logo = read_logo(str(tmp_path / "logo"))
    assert (logo.content, logo.is_svg, logo.width) == (content, is_svg, width)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "neither an SVG nor a PNG"),
        (b"GIF89a", "neither an SVG nor a PNG"),
        (b"<html/>", "neither an SVG nor a PNG"),
        (b"<svg viewBox='0 0 1 1'/>", "neither an SVG nor a PNG"),
        (svg('viewBox="0 0 1"'), "needs a viewBox"),
        (svg('viewBox="0 0 0 10"'), "no width or no height"),
        (svg(f'viewBox="0 0 {"9" * 400} 10"'), "no width or no height"),
        (PNG[:8], "no width or no height"),
        (b" " * (MAX_BYTES + 1), "larger than 256 KiB"),
    ],
)
def test_another_file_is_no_logo(tmp_path, content, says):
    (tmp_path / "logo").write_bytes(content)
    with pytest.raises(ValueError, match=says):
        read_logo(str(tmp_path / "logo"))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for read in (read_logo, read_stylesheet):
        with pytest.raises(ValueError, match="No such file"):
            read(str(tmp_path / "none"))
        with pytest.raises(ValueError, match="Is a directory"):
            read(str(tmp_path))


def test_a_style_sheet_is_utf_8(tmp_path):
    path = tmp_path / "own.css"
    path.write_bytes(b"a { content: '\xe9'; }")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_stylesheet(str(path))
    path.write_text("a { content: 'é'; }", "utf-8")
    assert read_stylesheet(str(path)).decode() == "a { content: 'é'; }"
